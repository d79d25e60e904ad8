// Decompresses the messages of one direction for their excerpts, with a window of its own. What comes out is counted
// and forgotten.

import { TAIL } from '../deflate/fast-inflater.ts'
import { Inflater } from '../deflate/inflater.ts'
import type { InflaterSink } from '../deflate/inflater-sink.ts'
import { canRunSync } from '../deflate/sync-zlib.ts'
import type { Excerpt } from './excerpt.ts'

/** A larger window decompresses the same as the one that was agreed. */
const WINDOW_BITS = 15
/** What may come out of one message, in bytes: 16 MiB, the most that a client takes unless told otherwise. */
export const MOST_DECOMPRESSED: number = 16 * 1024 * 1024

/** Decompress what a trace shows. */
export class MessageInflater implements InflaterSink {
  readonly #excerpt: Excerpt
  readonly #keepsWindow: boolean
  #inflater: Inflater | undefined
  #total = 0
  #isLost: boolean

  /** `keepsWindow` is false where each message begins with an empty one (`no_context_takeover`). */
  constructor(excerpt: Excerpt, keepsWindow: boolean) {
    this.#excerpt = excerpt
    this.#keepsWindow = keepsWindow
    // On the thread pool the lines would come too late, and in another order.
    this.#isLost = !canRunSync()
  }

  /**
   * True when what comes cannot be shown: a message was broken or too large, and the window is needed for those
   * after it.
   */
  get isLost(): boolean {
    return this.#isLost
  }

  /** Begin a message. */
  begin(): void {
    this.#total = 0
    if (this.#keepsWindow || !canRunSync()) return
    this.#isLost = false
    this.#inflater?.reset()
  }

  /** Take bytes of the message, without masking. */
  add(bytes: Uint8Array, start: number, end: number): void {
    this.#inflate(bytes, start, end, false)
  }

  /** End the message. */
  finish(): void {
    this.#inflate(TAIL, 0, TAIL.length, true)
  }

  onOutput(bytes: Uint8Array, start: number, end: number): boolean {
    this.#total += end - start
    this.#excerpt.add(bytes, start, end)
    return this.#total <= MOST_DECOMPRESSED
  }

  /** Give back the memory. */
  close(): void {
    this.#isLost = true
    this.#inflater?.close()
    this.#inflater = undefined
  }

  #inflate(bytes: Uint8Array, start: number, end: number, isEnd: boolean): void {
    if (this.#isLost) return
    this.#inflater ??= new Inflater(WINDOW_BITS)
    let position = start
    let result = this.#inflater.inflate(bytes, position, end, isEnd, this)
    while (result === 'long') {
      position = this.#inflater.position
      result = this.#inflater.inflate(bytes, position, end, isEnd, this)
    }
    if (result !== 'done' || this.#total > MOST_DECOMPRESSED) this.close()
  }
}
