// Invariant: any frames, in any parts, give the messages that a naive assembler makes of them and fail where it fails;
// no message above maxMessageSize is ever delivered, and every text encodes back to the bytes that came.
// Input: limits and what is accepted (2 bytes), chunk plan (2), then frames: first byte, length, payload.

import type { ProtocolError, ProtocolErrorCode } from '../../src/errors.ts'
import { nodePlatform } from '../../src/kernel/node-platform.ts'
import type { Message } from '../../src/protocol/message.ts'
import { MessageAssembler, refusedOpcode } from '../../src/protocol/message-assembler.ts'
import { MessageCollector } from '../../src/protocol/message-collector.ts'
import { concat, InputReader, toHex } from '../bytes.ts'
import { anyPlan, cut } from '../chunker.ts'
import { canBecomeUtf8, decodeFatally } from '../oracle.ts'
import { check, checkEqual, summarise, type Target } from '../target.ts'
import { anyText } from '../wire.ts'

const SIZES = [65_536, 0, 1, 16, 125, 1000, 4000, 65_535]
const FRAGMENTS = [1024, 1, 2, 5]
const ACCEPTED = ['any', 'text', 'binary', 'any'] as const

interface Frame {
  readonly opcode: number
  readonly fin: boolean
  readonly length: number
  readonly payload: Uint8Array
}

export const messages: Target = {
  name: 'messages',

  generate(random) {
    const plan = anyPlan(random)
    const setup = random.oneIn(2) ? [0, 0] : [random.below(256), random.below(4)]
    const parts: (Uint8Array | readonly number[])[] = [[...setup, plan >> 8, plan & 0xff]]
    for (let count = random.between(1, 6); count > 0; count--) {
      const isText = random.oneIn(2)
      const bytes = isText ? anyText(random, 120, random.oneIn(10)) : random.bytes(random.length(900))
      let position = 0
      let opcode = isText ? 1 : 2
      for (let fragments = random.oneIn(2) ? 1 : random.between(2, 7); fragments > 0; fragments--) {
        const end =
          fragments === 1 ? bytes.length : Math.min(bytes.length, position + random.length(bytes.length))
        const length = end - position
        parts.push(
          [(fragments === 1 ? 4 : 0) | opcode, length >> 8, length & 0xff],
          bytes.subarray(position, end),
        )
        opcode = random.oneIn(40) ? random.below(3) : 0
        position = end
      }
    }
    return concat(parts)
  },

  run(input) {
    const reader = new InputReader(input)
    const choice = reader.byte()
    const maxMessageSize = SIZES[choice & 7]!
    const maxFragments = FRAGMENTS[(choice >> 3) & 3]!
    const accept = ACCEPTED[reader.byte() & 3]!
    const plan = reader.uint16()
    const frames = readFrames(reader)

    const facts: string[] = []
    let hasFailed = false
    const sink = {
      onMessage(message: Message) {
        check(!hasFailed, 'a message after the failure')
        const bytes = typeof message === 'string' ? new TextEncoder().encode(message) : message
        check(bytes.length <= maxMessageSize, () => `${bytes.length} bytes, above ${maxMessageSize}`)
        facts.push(`${typeof message === 'string' ? 'text' : 'binary'} ${toHex(bytes)}`)
      },
      onPiece() {
        check(false, 'a piece that nobody takes')
      },
      onOversize() {
        check(false, 'a message above maxMessageSize that could be taken in pieces')
        return false
      },
      onViolation(error: ProtocolError) {
        check(!hasFailed, 'two failures')
        hasFailed = true
        facts.push(error.code)
      },
    }
    const limits = { maxMessageSize, maxStreamSize: maxMessageSize, maxFragments }
    const collector = new MessageCollector(nodePlatform, limits, sink)
    const assembler = new MessageAssembler({ limits, refused: refusedOpcode(accept), collector, sink })
    for (const frame of frames) {
      if (hasFailed) break
      feed(assembler, frame, plan, () => hasFailed)
    }

    const model = new NaiveAssembler(maxMessageSize, maxFragments, accept)
    for (const frame of frames) model.take(frame)
    checkEqual(facts, model.facts, 'facts of the assembler and the naive one')
    if (!hasFailed) check(assembler.isCollecting === model.isIncomplete, 'isCollecting is wrong')
    return summarise(facts.map((fact) => fact.split(' ', 1)[0]!))
  },
}

function readFrames(reader: InputReader): Frame[] {
  const frames: Frame[] = []
  while (!reader.isDone) {
    const first = reader.byte()
    const announced = reader.uint16()
    const payload = reader.take(announced)
    // Where the input ends early, the frame stays incomplete.
    frames.push({ opcode: (first & 3) % 3, fin: (first & 4) !== 0, length: announced, payload })
  }
  return frames
}

/** Do what the parser does with a frame. */
function feed(assembler: MessageAssembler, frame: Frame, plan: number, isOver: () => boolean): void {
  const { opcode, fin, length, payload } = frame
  if (!assembler.beginFrame(opcode, fin, 0, length)) {
    check(isOver(), 'a frame was refused without a failure')
    return
  }
  let given = 0
  for (const chunk of payload.length === 0 ? [payload] : cut(payload, plan)) {
    given += chunk.length
    const isLast = given === length
    if (chunk.length === 0 && !isLast) continue
    const memory = concat([[0x80], chunk, [0x80]])
    const ascii = chunk.every((byte) => byte < 0x80)
    assembler.payload(memory, 1, 1 + chunk.length, ascii, isLast)
    memory.fill(0xa5)
    if (isLast || isOver()) return
  }
}

/** Join frames as RFC 6455 section 5.4 says, whole frames at a time and without any care for speed. */
class NaiveAssembler {
  readonly facts: string[] = []
  readonly #maxMessageSize: number
  readonly #maxFragments: number
  readonly #accept: 'any' | 'text' | 'binary'
  #opcode: number | undefined
  #size = 0
  #parts: Uint8Array[] = []
  #hasFailed = false

  constructor(maxMessageSize: number, maxFragments: number, accept: 'any' | 'text' | 'binary') {
    this.#maxMessageSize = maxMessageSize
    this.#maxFragments = maxFragments
    this.#accept = accept
  }

  get isIncomplete(): boolean {
    return this.#opcode !== undefined
  }

  take(frame: Frame): void {
    if (this.#hasFailed) return
    const problem = this.#judge(frame)
    if (problem === undefined) return
    this.#hasFailed = true
    this.facts.push(problem)
  }

  #judge({ opcode, fin, length, payload }: Frame): ProtocolErrorCode | undefined {
    if (opcode === 0) {
      if (this.#opcode === undefined) return 'WS_UNEXPECTED_CONTINUATION'
      if (this.#parts.length === this.#maxFragments) return 'WS_TOO_MANY_FRAGMENTS'
    } else {
      if (this.#opcode !== undefined) return 'WS_EXPECTED_CONTINUATION'
      if (this.#accept === (opcode === 1 ? 'binary' : 'text')) return 'WS_DATA_NOT_ACCEPTED'
      this.#opcode = opcode
      this.#size = 0
      this.#parts = []
    }
    this.#size += length
    if (this.#size > this.#maxMessageSize) return 'WS_MESSAGE_TOO_BIG'
    this.#parts.push(payload)
    const bytes = concat(this.#parts)
    const isText = this.#opcode === 1
    if (isText && !canBecomeUtf8(bytes)) return 'WS_BAD_UTF8'
    if (payload.length < length || !fin) return undefined
    if (isText && decodeFatally(bytes) === undefined) return 'WS_BAD_UTF8'
    this.facts.push(`${isText ? 'text' : 'binary'} ${toHex(bytes)}`)
    this.#opcode = undefined
    return undefined
  }
}
