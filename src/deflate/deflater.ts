// One window with which zlib compresses messages, at once. Only where it can be driven so.

import { constants, type ZlibOptions } from 'node:zlib'
import { createZlib, type ZlibHandle, type ZlibStream } from './sync-zlib.ts'

/** Say how to compress. */
export interface DeflateSettings {
  readonly windowBits: number
  /** Absent for our own compressor, where there is one. */
  readonly level: number | undefined
  readonly memLevel: number
}

/** Half the time of level 6, for a few per cent more bytes. */
const LEVEL = 3

/** Put settings into zlib's terms. */
export function zlibSettings({ windowBits, level = LEVEL, memLevel }: DeflateSettings): ZlibOptions {
  return { windowBits, level, memLevel }
}

// Larger messages are seldom compressed at once.
const OUTPUT_SIZE = 64 * 1024
// A stream of ours never uses its own memory for output, so it gets the least that it takes.
const LEAST_CHUNK = 64
/** What all deflaters of the process write to. */
let output: Uint8Array | undefined

/** Compress with one window. */
export class Deflater {
  readonly #stream: ZlibStream
  readonly #handle: ZlibHandle
  readonly #state: Uint32Array

  constructor(settings: DeflateSettings) {
    this.#stream = createZlib('deflate', { ...zlibSettings(settings), chunkSize: LEAST_CHUNK })
    this.#handle = this.#stream._handle
    this.#state = this.#stream._writeState
  }

  /**
   * Compress the next bytes and flush: all of them can be decompressed from what comes out. It is valid until the next
   * call of any deflater, unless it is large.
   */
  deflate(bytes: Uint8Array): Uint8Array {
    output ??= new Uint8Array(OUTPUT_SIZE)
    const handle = this.#handle
    const state = this.#state
    const flush = constants.Z_SYNC_FLUSH
    handle.writeSync(flush, bytes, 0, bytes.length, output, 0, OUTPUT_SIZE)
    if (state[0]! > 0) return output.subarray(0, OUTPUT_SIZE - state[0]!)
    const parts = [output.slice()]
    do {
      handle.writeSync(flush, bytes, bytes.length - state[1]!, state[1]!, output, 0, OUTPUT_SIZE)
      parts.push(output.slice(0, OUTPUT_SIZE - state[0]!))
    } while (state[0] === 0)
    return Buffer.concat(parts)
  }

  /** Begin with an empty window. */
  reset(): void {
    this.#handle.reset()
  }

  /** Give back the memory. */
  close(): void {
    this.#stream.close()
  }
}
