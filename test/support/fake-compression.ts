// A compression for tests: run lengths, so that little can become much and pieces end anywhere. It promises no more than
// the interface does, overwrites what it lent, and finds whoever breaks the contract.

import { ProtocolError } from '../../src/errors.ts'
import type { Compression, DecompressionSink } from '../../src/protocol/compression.ts'
import type { PreparedMessage } from '../../src/protocol/prepared-message.ts'
import { concat, utf8 } from './bytes.ts'
import { POISON } from './protocol-pair.ts'

/** When something is done: before the call returns, or when the test says so. */
export type When = 'now' | 'later'

export interface FakeCompressionOptions {
  /** Messages below this size stay as they are. */
  readonly threshold?: number
  /** Messages from this size on are long. */
  readonly longFrom?: number
  /** Most bytes that are handed on at once. */
  readonly portion?: number
  /** When messages are decompressed, asked for each piece. */
  readonly when?: When | (() => When)
  /** When pieces of messages that go out are compressed. */
  readonly compressesPieces?: When
}

interface Work {
  readonly input: Uint8Array
  readonly isLast: boolean
  readonly isLater: boolean
  readonly sink: DecompressionSink
  position: number
  isSuspended: boolean
}

/** What all lend their output in, as real ones do. */
let lent = new Uint8Array(0)

/** Write bytes as runs: a count from 1 to 255, then the byte. */
export function compressed(plain: Uint8Array | string): Uint8Array {
  const bytes = typeof plain === 'string' ? utf8(plain) : plain
  const runs: number[] = []
  for (let index = 0; index < bytes.length; ) {
    let count = 1
    while (count < 255 && bytes[index + count] === bytes[index]) count++
    runs.push(count, bytes[index]!)
    index += count
  }
  return Uint8Array.from(runs)
}

/** Read runs back. */
export function decompressed(runs: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = []
  for (let index = 0; index < runs.length; index += 2) {
    parts.push(new Uint8Array(runs[index]!).fill(runs[index + 1]!))
  }
  return concat(...parts)
}

/** Compress by run lengths. */
export class FakeCompression implements Compression {
  readonly threshold: number
  readonly #longFrom: number
  readonly #portion: number
  readonly #when: () => When
  readonly #compressesPieces: When
  /** Sizes of messages for which was asked whether they are worthwhile. */
  readonly asked: (number | undefined)[] = []
  /** How often `resume` was called, needed or not. */
  resumes = 0
  isClosed = false

  #work: Work | undefined
  /** The count of a run whose byte has not come. */
  #count: number | undefined
  /** The run that is being written. */
  #runLeft = 0
  #runByte = 0
  /** Compression that waits for `compressNow`. */
  #waiting: (() => void) | undefined

  constructor(options: FakeCompressionOptions = {}) {
    const { when = 'now' } = options
    this.threshold = options.threshold ?? 1
    this.#longFrom = options.longFrom ?? Number.POSITIVE_INFINITY
    this.#portion = options.portion ?? 64
    this.#when = typeof when === 'function' ? when : () => when
    this.#compressesPieces = options.compressesPieces ?? 'now'
  }

  // --- out ---

  isWorthwhile(size: number | undefined): boolean {
    this.asked.push(size)
    // Fragments count as a message without end.
    return size === undefined ? this.isLong(Number.MAX_SAFE_INTEGER) : size >= this.threshold
  }

  isLong(size: number): boolean {
    return size >= this.#longFrom
  }

  compress(bytes: Uint8Array): Uint8Array | undefined {
    this.#assertIdle()
    const runs = compressed(bytes)
    return runs.length < bytes.length ? lend(runs) : undefined
  }

  compressLater(bytes: Uint8Array, done: (compressed: Uint8Array | undefined) => void): void {
    this.#assertIdle()
    this.#waiting = () => {
      const runs = compressed(bytes)
      done(runs.length < bytes.length ? runs : undefined)
    }
  }

  compressPiece(bytes: Uint8Array, _isLast: boolean, done: (compressed: Uint8Array) => void): void {
    this.#assertIdle()
    const work = (): void => {
      done(lend(compressed(bytes)))
      lent.fill(POISON)
    }
    if (this.#compressesPieces === 'later') this.#waiting = work
    else work()
  }

  compressShared(message: PreparedMessage): Uint8Array | undefined {
    if (!message.isCompressible) return undefined
    return message.compressed('runs', (payload) => {
      const runs = compressed(payload)
      return runs.length < payload.length ? runs : undefined
    })
  }

  #assertIdle(): void {
    if (this.#waiting !== undefined) throw new Error('something else is being compressed')
    if (this.isClosed) throw new Error('it is closed')
  }

  /** Do what was put off of compressing. */
  compressNow(): void {
    const waiting = this.#waiting!
    this.#waiting = undefined
    waiting()
  }

  // --- in ---

  decompress(
    bytes: Uint8Array,
    start: number,
    end: number,
    isLast: boolean,
    sink: DecompressionSink,
  ): boolean {
    if (this.#work !== undefined) throw new Error('more was given before the last was done')
    if (this.isClosed) throw new Error('it is closed')
    const isLater = this.#when() === 'later'
    const input = bytes.slice(start, end)
    this.#work = { input, isLast, isLater, sink, position: 0, isSuspended: false }
    return !isLater && this.#run(Number.POSITIVE_INFINITY) !== 'stopped'
  }

  resume(): void {
    this.resumes++
    const work = this.#work
    if (work === undefined || !work.isSuspended) return
    work.isSuspended = false
    if (!work.isLater && this.#run(Number.POSITIVE_INFINITY) === 'done') work.sink.onDecompressionReady()
  }

  /** True while something waits for `step`. */
  get hasWork(): boolean {
    return this.#work?.isLater === true && !this.#work.isSuspended
  }

  /** Decompress so many portions of what was put off. */
  step(portions: number = Number.POSITIVE_INFINITY): void {
    const work = this.#work
    if (!this.hasWork || this.isClosed) return
    if (this.#run(portions) === 'done') work!.sink.onDecompressionReady()
  }

  /** Hand on portions until all is done, the sink wants no more, or so many were handed on. */
  #run(portions: number): 'done' | 'stopped' | 'failed' {
    const work = this.#work!
    const output = new Uint8Array(this.#portion)
    for (let handed = 0; handed < portions; handed++) {
      let filled = 0
      while (filled < output.length && this.#next(work)) output[filled++] = this.#runByte
      if (this.#runLeft < 0 || (filled < output.length && work.isLast && this.#count !== undefined)) {
        this.#work = undefined
        work.sink.onDecompressionFailed(new ProtocolError('WS_BAD_COMPRESSION'))
        return 'failed'
      }
      const isDone = filled < output.length
      // In the middle of other bytes; and what the sink keeps must be a copy.
      const memory = concat(Uint8Array.of(POISON), output.subarray(0, filled), Uint8Array.of(POISON))
      const wantsMore = work.sink.onDecompressed(memory, 1, 1 + filled, isDone && work.isLast)
      memory.fill(POISON)
      if (isDone) {
        this.#work = undefined
        return 'done'
      }
      if (!wantsMore) {
        work.isSuspended = true
        return 'stopped'
      }
    }
    return 'stopped'
  }

  /** Go to the next byte; false where the input ends, or is none. */
  #next(work: Work): boolean {
    while (this.#runLeft === 0) {
      if (work.position === work.input.length) return false
      const byte = work.input[work.position++]!
      if (this.#count === undefined) {
        // No run is empty: that is how compressed bytes are broken.
        if (byte === 0) {
          this.#runLeft = -1
          return false
        }
        this.#count = byte
      } else {
        this.#runLeft = this.#count
        this.#runByte = byte
        this.#count = undefined
      }
    }
    if (this.#runLeft < 0) return false
    this.#runLeft--
    return true
  }

  close(): void {
    this.isClosed = true
  }
}

function lend(bytes: Uint8Array): Uint8Array {
  lent.fill(POISON)
  if (lent.length < bytes.length) lent = new Uint8Array(bytes.length)
  lent.set(bytes)
  return lent.subarray(0, bytes.length)
}
