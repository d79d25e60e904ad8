// Who takes what is decompressed.

/** Be told what comes out. */
export interface InflaterSink {
  /** Take bytes, which are valid during the call only. Return false to get no more until `resume()`. */
  onOutput(bytes: Uint8Array, start: number, end: number, isEnd: boolean): boolean
}
