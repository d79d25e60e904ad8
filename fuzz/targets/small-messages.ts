// Invariant: messages come out of an inflater with the decompressor in WebAssembly as they come out of zlib alone, with
// any window, whole or in pieces, and broken ones fail at the same place.
// Input: bits of the window (1 byte), then messages: flags (1: in two pieces, 2: the window is forgotten before it),
// length (2), bytes.

import { constants } from 'node:zlib'
import { Inflater } from '../../src/deflate/inflater.ts'
import type { InflaterSink } from '../../src/deflate/inflater-sink.ts'
import { canRunSync, createZlib } from '../../src/deflate/sync-zlib.ts'
import { concat, InputReader } from '../bytes.ts'
import type { Random } from '../random.ts'
import { check, type Target } from '../target.ts'
import { anyText } from '../wire.ts'

const TAIL = [0x00, 0x00, 0xff, 0xff]
const PIECES = 1
const FORGET = 2
// More makes a run slow, and shows nothing new.
const MOST_OUTPUT = 512 * 1024
const MOST_MESSAGES = 12

export const smallMessages: Target = {
  name: 'small-messages',
  dictionary: [
    TAIL,
    [0x00],
    [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
    [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
    [0xf2, 0x00, 0x11, 0x00, 0x00],
    [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f],
  ].map((bytes) => Uint8Array.from(bytes)),

  generate(random) {
    const bits = random.between(9, 15)
    const sender = new Sender(random, bits)
    const parts: (Uint8Array | number[])[] = [[bits - 9]]
    for (let count = random.between(1, 8); count > 0; count--) {
      let flags = random.oneIn(12) ? PIECES : 0
      if (random.oneIn(8)) {
        flags |= FORGET
        sender.reset()
      }
      const message = random.oneIn(20) ? random.bytes(random.length(60)) : sender.compress()
      parts.push([flags, message.length >> 8, message.length & 0xff], message)
    }
    sender.close()
    return concat(parts)
  },

  run(input) {
    check(canRunSync(), 'zlib cannot be driven at once here')
    const reader = new InputReader(input)
    const windowBits = 9 + (reader.byte() % 7)
    const inflaters = [true, false].map((isFast) => new Receiver(windowBits, isFast))
    const [ours, zlibs] = inflaters as [Receiver, Receiver]
    let summary = ''
    for (let count = 0; !reader.isDone && count < MOST_MESSAGES; count++) {
      const flags = reader.byte()
      const message = reader.take(reader.uint16())
      for (const inflater of inflaters) inflater.take(message, flags)
      check(
        ours.outcome === zlibs.outcome,
        () => `${count}: ${ours.outcome}, and zlib alone: ${zlibs.outcome}`,
      )
      check(Buffer.compare(ours.output, zlibs.output) === 0, () => `message ${count} is another`)
      summary += `${ours.outcome}${ours.wasFast ? '!' : ''}`
      if (ours.outcome !== 'done') break
    }
    for (const inflater of inflaters) inflater.close()
    return summary
  },
}

/** Take one message after the other. */
class Receiver implements InflaterSink {
  readonly #inflater: Inflater
  readonly #isFast: boolean
  #parts: Uint8Array[] = []
  #total = 0
  outcome = 'done'
  /** True when the last message was done by the decompressor in WebAssembly. */
  wasFast = false

  constructor(windowBits: number, isFast: boolean) {
    this.#inflater = new Inflater(windowBits)
    this.#isFast = isFast
  }

  get output(): Uint8Array {
    return concat(this.#parts)
  }

  take(message: Uint8Array, flags: number): void {
    if ((flags & FORGET) !== 0) this.#inflater.reset()
    this.#parts = []
    this.#total = 0
    const inPieces = (flags & PIECES) !== 0
    this.wasFast = this.#isFast && !inPieces && this.#inflater.inflateSmall(message, 0, message.length, this)
    if (this.wasFast) return
    const whole = concat([message, TAIL])
    const middle = inPieces ? message.length >> 1 : 0
    if (inPieces) this.#inflate(whole.subarray(0, middle), false)
    if (this.outcome === 'done') this.#inflate(whole.subarray(middle), true)
  }

  #inflate(bytes: Uint8Array, isEnd: boolean): void {
    let position = 0
    do {
      this.outcome = this.#inflater.inflate(bytes, position, bytes.length, isEnd, this)
      position = this.#inflater.position
      if (this.#total > MOST_OUTPUT) this.outcome = 'too much'
    } while (this.outcome === 'long')
  }

  onOutput(bytes: Uint8Array, start: number, end: number): boolean {
    this.#parts.push(bytes.slice(start, end))
    this.#total += end - start
    return true
  }

  close(): void {
    this.#inflater.close()
  }
}

/** Compress as any sender may: at any level, with any kind of blocks, flushed in any way. */
class Sender {
  readonly #random: Random
  readonly #stream: ReturnType<typeof createZlib>
  readonly #output = new Uint8Array(512 * 1024)

  constructor(random: Random, windowBits: number) {
    this.#random = random
    this.#stream = createZlib('deflate', {
      windowBits,
      level: random.below(10),
      memLevel: random.between(1, 9),
      strategy: random.below(5),
    })
  }

  compress(): Uint8Array {
    const random = this.#random
    const parts: Uint8Array[] = []
    for (let count = random.oneIn(3) ? random.between(2, 4) : 1; count > 1; count--) {
      const { Z_NO_FLUSH, Z_PARTIAL_FLUSH, Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_BLOCK } = constants
      parts.push(this.#write(random.pick([Z_NO_FLUSH, Z_PARTIAL_FLUSH, Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_BLOCK])))
    }
    // zlib does not flush twice in a row: where nothing comes out, an empty block stands for it.
    parts.push(this.#write(constants.Z_SYNC_FLUSH))
    const message = concat(parts)
    return message.length < TAIL.length ? Uint8Array.of(0x00) : message.slice(0, -TAIL.length)
  }

  #write(flush: number): Uint8Array {
    const { _handle: handle, _writeState: state } = this.#stream
    const plain = anyPlain(this.#random)
    handle.writeSync(flush, plain, 0, plain.length, this.#output, 0, this.#output.length)
    return this.#output.slice(0, this.#output.length - state[0]!)
  }

  reset(): void {
    this.#stream.reset()
  }

  close(): void {
    this.#stream.close()
  }
}

function anyPlain(random: Random): Uint8Array {
  switch (random.below(7)) {
    case 0:
      return new Uint8Array(random.pick([1, 300, 5000, 65_535, 65_536, 65_537])).fill(random.below(3))
    case 1:
      return random.bytes(random.length(600))
    case 2: {
      // What repeats soon.
      const period = random.bytes(random.between(1, 40))
      return Uint8Array.from(
        { length: random.length(2000) + 1 },
        (_, index) => period[index % period.length]!,
      )
    }
    case 3: {
      // Some bytes are much rarer than others: their codes are long.
      const size = random.length(4000) + 1
      return Uint8Array.from({ length: size }, () => Math.floor(Math.log2(1 + random.next())) * 7)
    }
    default:
      return anyText(random, random.pick([100, 1000, 5000]), false)
  }
}
