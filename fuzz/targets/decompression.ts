// Invariant: messages decompress to the same as a whole, byte by byte and in any chunks, whether their reader refuses
// output for a while or not, and to the same as from zlib's own function. Where they do not, there is one failure and
// nothing after it.
// Input: chunk plan (2 bytes), flags (1: windows are forgotten, 2: output is refused), then messages: length (2), bytes.

import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import type { DeflateParameters } from '../../src/deflate/negotiation.ts'
import { resolveCompressionOptions } from '../../src/deflate/options.ts'
import { PerMessageDeflate } from '../../src/deflate/permessage-deflate.ts'
import { canRunSync } from '../../src/deflate/sync-zlib.ts'
import type { DecompressionSink } from '../../src/protocol/compression.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { TimerWheel } from '../../src/timing/timer-wheel.ts'
import { concat, InputReader } from '../bytes.ts'
import { anyPlan, BYTE_BY_BYTE, cut, WHOLE } from '../chunker.ts'
import type { Random } from '../random.ts'
import { check, type Target } from '../target.ts'
import { anyText } from '../wire.ts'

const TAIL = [0x00, 0x00, 0xff, 0xff]
/** As many last blocks may be followed by something within a message. */
const MOST_RESTARTS = 256
// More makes a run slow, and shows nothing new.
const MOST_OUTPUT = 1024 * 1024
const MOST_MESSAGES = 6

const options = resolveCompressionOptions({}, 'server')
const wheel = new TimerWheel(new FakeClock())

export const decompression: Target = {
  name: 'decompression',
  dictionary: [
    TAIL,
    [0x03, 0x00],
    [0x02, 0x08, 0x20, 0x80, 0x00],
    [0x01, 0x00, 0x00, 0xff, 0xff],
    [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
    [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
    [0xf2, 0x00, 0x11, 0x00, 0x00],
    [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f],
    // 258 times the byte before, as often as it is repeated.
    [0x4b, 0x04, 0x00],
  ].map((bytes) => Uint8Array.from(bytes)),

  generate(random) {
    const plan = anyPlan(random)
    const parts: (Uint8Array | number[])[] = [[plan >> 8, plan & 0xff, random.below(4)]]
    let window = new Uint8Array(0)
    for (let count = random.between(1, 4); count > 0; count--) {
      const plain = anyPlain(random)
      const message = random.oneIn(8) ? random.bytes(random.length(60)) : compress(random, plain, window)
      window = Uint8Array.from([...window, ...plain]).slice(-32_768)
      parts.push([message.length >> 8, message.length & 0xff], message)
    }
    return concat(parts)
  },

  run(input) {
    check(canRunSync(), 'zlib cannot be driven at once here')
    const reader = new InputReader(input)
    const plan = reader.uint16()
    const flags = reader.byte()
    const messages: Uint8Array[] = []
    while (!reader.isDone && messages.length < MOST_MESSAGES) messages.push(reader.take(reader.uint16()))
    const isForgetful = (flags & 1) === 1
    const expected = decompressByZlib(messages, isForgetful)

    const outcomes = [WHOLE, BYTE_BY_BYTE, plan].map((each) => {
      const receiver = new Receiver(isForgetful, (flags & 2) === 2)
      for (const message of messages) receiver.take(cut(message, each))
      receiver.close()
      return receiver
    })
    let longest: Uint8Array = new Uint8Array(0)
    for (const { partial } of outcomes) if (partial.length > longest.length) longest = partial
    for (const outcome of outcomes) {
      check(outcome.problem === undefined, () => outcome.problem!)
      if (expected.isTooMuch) continue
      check(outcome.messages.length === expected.messages.length, () => {
        const { length } = expected.messages
        return `${outcome.messages.length} messages came out, and zlib makes ${length} of them`
      })
      check(outcome.hasFailed === expected.hasFailed, 'it failed where zlib does not, or the other way round')
      for (const [index, message] of expected.messages.entries()) {
        check(Buffer.compare(outcome.messages[index]!, message) === 0, () => `message ${index} is another`)
      }
      const { partial } = outcome
      const isBeginning = Buffer.compare(longest.subarray(0, partial.length), partial) === 0
      check(isBeginning, 'what came before a failure depends on the chunks')
    }
    const sizes = expected.messages.map(({ length }) => Math.ceil(Math.log2(length + 1) / 4))
    return `${sizes.join()} ${expected.isTooMuch} ${expected.hasFailed} ${Math.ceil(Math.log2(expected.restarts + 1))}`
  },
}

/** Take messages as the protocol core does, and stop after much output. */
class Receiver implements DecompressionSink {
  readonly messages: Uint8Array[] = []
  readonly #deflate: PerMessageDeflate
  readonly #refuses: boolean
  #parts: Uint8Array[] = []
  #received = 0
  #portions = 0
  #isBehind = false
  hasFailed = false
  #isOver = false
  problem: string | undefined

  constructor(isForgetful: boolean, refuses: boolean) {
    const agreed: DeflateParameters = {
      serverNoContextTakeover: false,
      clientNoContextTakeover: isForgetful,
      serverMaxWindowBits: 15,
      clientMaxWindowBits: 15,
    }
    this.#deflate = new PerMessageDeflate('server', agreed, options, wheel)
    this.#refuses = refuses
  }

  /** What came out of a message that is not complete. */
  get partial(): Uint8Array {
    return concat(this.#parts)
  }

  take(chunks: readonly Uint8Array[]): void {
    // The last chunk of an empty message is empty, too.
    const pieces = chunks.length === 0 ? [new Uint8Array(0)] : chunks
    for (const [index, chunk] of pieces.entries()) {
      if (this.#isOver) return
      this.#portions = 0
      const isLast = index === pieces.length - 1
      this.#isBehind = !this.#deflate.decompress(chunk, 0, chunk.length, isLast, this)
      while (this.#isBehind && !this.#isOver) {
        this.#portions = 0
        this.#deflate.resume()
      }
    }
  }

  close(): void {
    this.#isOver = true
    this.#deflate.close()
  }

  onDecompressed(bytes: Uint8Array, start: number, end: number, isEnd: boolean): boolean {
    if (this.#isOver) this.problem = 'output came after the end'
    this.#parts.push(bytes.slice(start, end))
    this.#received += end - start
    if (isEnd) this.messages.push(concat(this.#parts.splice(0)))
    else if (this.#received > MOST_OUTPUT) this.close()
    // Whoever takes two portions in a row has the next made by another thread, which is not for here.
    return !this.#refuses && ++this.#portions < 2
  }

  onDecompressionReady(): void {
    if (this.#isOver || !this.#isBehind) this.problem = 'it was ready without having been behind'
    this.#isBehind = false
  }

  onDecompressionFailed(): void {
    if (this.#isOver) this.problem = 'it failed after the end'
    this.hasFailed = true
    this.#isOver = true
  }
}

interface Outcome {
  readonly messages: readonly Uint8Array[]
  readonly hasFailed: boolean
  readonly isTooMuch: boolean
  readonly restarts: number
}

/** The oracle: all there is of the stream after each message, from its beginning. */
function decompressByZlib(messages: readonly Uint8Array[], isForgetful: boolean): Outcome {
  const decompressed: Uint8Array[] = []
  let restarts = 0
  let total = 0
  for (let index = 0; index < messages.length; index++) {
    const before = isForgetful ? [] : messages.slice(0, index).flatMap((message) => [message, TAIL])
    const start = concat(before).length
    const stream = concat([...before, messages[index]!, TAIL])
    const outcome = inflateStream(stream, start)
    if (outcome === 'too much') return { messages: [], hasFailed: false, isTooMuch: true, restarts }
    restarts = Math.max(restarts, outcome?.restarts ?? 0)
    if (outcome === undefined || outcome.restarts > MOST_RESTARTS) {
      return { messages: decompressed, hasFailed: true, isTooMuch: false, restarts }
    }
    const sofar = isForgetful ? 0 : total
    decompressed.push(outcome.bytes.subarray(sofar))
    total = sofar + decompressed.at(-1)!.length
  }
  return { messages: decompressed, hasFailed: false, isTooMuch: false, restarts }
}

/** Decompress a stream of streams, and count those that begin at `start` or behind; `undefined` when that fails. */
function inflateStream(
  stream: Uint8Array,
  start: number,
): { bytes: Uint8Array; restarts: number } | 'too much' | undefined {
  const parts: Uint8Array[] = []
  let position = 0
  let restarts = 0
  let total = 0
  for (;;) {
    let result: { buffer: Uint8Array; engine: { bytesWritten: number } }
    try {
      result = inflateRawSync(stream.subarray(position), {
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: MOST_OUTPUT,
        info: true,
      }) as unknown as typeof result
    } catch (error) {
      return (error as { code: string }).code === 'ERR_BUFFER_TOO_LARGE' ? 'too much' : undefined
    }
    parts.push(result.buffer)
    total += result.buffer.length
    if (total > MOST_OUTPUT) return 'too much'
    position += result.engine.bytesWritten
    if (position >= stream.length) return { bytes: concat(parts), restarts }
    if (position >= start) restarts++
  }
}

function anyPlain(random: Random): Uint8Array {
  switch (random.below(4)) {
    case 0:
      return new Uint8Array(random.pick([0, 1, 300, 65_535, 65_536, 65_537, 140_000])).fill(random.below(3))
    case 1:
      return random.bytes(random.length(400))
    default:
      return anyText(random, 400, false)
  }
}

/** Compress as any sender may: at any level, with any kind of blocks, with a last block or without. */
function compress(random: Random, plain: Uint8Array, window: Uint8Array): Uint8Array {
  const isFinal = random.oneIn(3)
  const compressed = deflateRawSync(plain, {
    level: random.below(10),
    memLevel: random.between(1, 9),
    strategy: random.below(5),
    finishFlush: isFinal ? constants.Z_FINISH : constants.Z_SYNC_FLUSH,
    ...(window.length > 0 && random.oneIn(2) ? { dictionary: window } : {}),
  })
  if (!isFinal) return compressed.subarray(0, -TAIL.length)
  // RFC 7692 section 7.2.3.4: an empty block follows, of which the tail is the end.
  const rest = random.oneIn(3) ? compress(random, anyText(random, 60, false), new Uint8Array(0)) : [0x00]
  return concat([compressed, rest])
}
