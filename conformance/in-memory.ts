// Runs cases against an endpoint in memory: no sockets, no time, every chunking that is cheap.

import { ByteOutput, createMaskingKeySource, MAX_FRAGMENTS, Protocol } from '../src/protocol/index.ts'
import { type Case, opposite, type Role, type Variant } from './case.ts'
import { FrameReader, join, Peer } from './codec.ts'
import { judge, type Observation } from './judge.ts'
import type { KernelChoice } from './kernels.ts'
import { CaseRecord, type CaseResult } from './results.ts'

/** An endpoint that echoes messages. */
export interface Endpoint {
  receive(chunk: Uint8Array): void
  /** Return what it wrote since the last call. */
  takeOutput(): Uint8Array
  /** `closed` and `failed` are when it would end the TCP connection. */
  readonly state: 'open' | 'closed' | 'failed'
}

export type EndpointFactory = (role: Role) => Endpoint

// The largest message of the table, to the byte.
const LARGEST = 16 * 1024 * 1024
const LIMITS = { maxMessageSize: LARGEST, maxStreamSize: LARGEST, maxFragments: MAX_FRAGMENTS }

/** Name a way in which bytes are handed to the protocol. */
export type Feed = 'receiveData' | 'receiveRead'

/** Make endpoints of the library's protocol. */
export function protocolEndpoint(choice: KernelChoice, feeds: Readonly<Record<Role, Feed>>): EndpointFactory {
  const kernel = choice.create()
  const { platform } = choice
  const maskingKeys = createMaskingKeySource(platform)
  return (role) => {
    const feed = feeds[role]
    const output = new ByteOutput()
    let failed = false
    const protocol: Protocol = new Protocol({
      role,
      kernel,
      platform,
      limits: LIMITS,
      output,
      maskingKeys,
      handler: {
        onMessage(message) {
          if (typeof message === 'string') protocol.sendText(message)
          else protocol.sendBytes(message)
        },
        onPing() {},
        onPong() {},
        onClose() {},
        onFailure() {
          failed = true
        },
      },
    })
    return {
      receive(chunk) {
        if (feed === 'receiveData') {
          protocol.receiveData(chunk)
          return
        }
        for (let start = 0; start < chunk.length; start += kernel.readSize) {
          const read = chunk.subarray(start, start + kernel.readSize)
          kernel.memory.set(read, kernel.readStart)
          protocol.receiveRead(read.length)
        }
      },
      takeOutput: () => output.takeOutput(),
      get state() {
        if (failed) return 'failed'
        return protocol.state === 'closed' ? 'closed' : 'open'
      },
    }
  }
}

/** How the bytes of a conversation are cut. */
interface Chunking {
  readonly name: string
  /** Send all steps as one run of bytes instead of step by step. */
  readonly joined: boolean
  /** Bytes of each chunk, unless the case has its own. */
  readonly size?: number
  /** Cut once, here. */
  readonly at?: number
}

const STEPS: Chunking = { name: 'step by step', joined: false }
const JOINED: Chunking = { name: 'everything at once', joined: true }

// Above these many bytes a chunking costs more than it tells.
const MOST_FOR_ONE_BYTE = 70_000
const MOST_FOR_SMALL_CHUNKS = 2000
const MOST_FOR_EVERY_CUT = 40
const MOST_FOR_JOINED = 70_000

function chunkingsFor(variant: Variant, nth: number): Chunking[] {
  const size = variant.steps.reduce((sum, step) => sum + (step.kind === 'send' ? step.bytes.length : 0), 0)
  const chunkings = [STEPS]
  if (size <= MOST_FOR_JOINED) chunkings.push(JOINED)
  if (size <= MOST_FOR_ONE_BYTE) chunkings.push({ name: 'one byte at a time', joined: false, size: 1 })
  if (size <= MOST_FOR_SMALL_CHUNKS) {
    for (const chunk of [2, 3, 7])
      chunkings.push({ name: `${chunk} bytes at a time`, joined: true, size: chunk })
  }
  if (size <= MOST_FOR_EVERY_CUT && nth === 0) {
    for (let at = 1; at < size; at++) chunkings.push({ name: `cut at byte ${at}`, joined: true, at })
  }
  return chunkings
}

/** Run one case in one role. */
export function runInMemory(testCase: Case, role: Role, createEndpoint: EndpointFactory): CaseResult {
  const record = new CaseRecord(testCase, role)
  for (const [nth, variant] of testCase.variants(new Peer(opposite(role))).entries()) {
    for (const chunking of chunkingsFor(variant, nth)) {
      converse(variant, chunking, role, createEndpoint(role), record)
    }
  }
  return record.result()
}

/** Run all cases in all their roles. */
export function runAllInMemory(cases: readonly Case[], createEndpoint: EndpointFactory): CaseResult[] {
  return cases.flatMap((testCase) =>
    testCase.roles.map((role) => runInMemory(testCase, role, createEndpoint)),
  )
}

function converse(
  variant: Variant,
  chunking: Chunking,
  role: Role,
  endpoint: Endpoint,
  record: CaseRecord,
): void {
  const conversation = new Conversation(endpoint, role)
  if (chunking.joined) {
    conversation.send(
      join(variant.steps.flatMap((step) => (step.kind === 'send' ? [step.bytes] : []))),
      chunking,
    )
  } else {
    conversation.follow(variant, chunking)
  }
  const judgement = judge(variant, conversation.finish(), role)
  record.add(variant, chunking.name, judgement, conversation.received)
}

class Conversation {
  readonly #endpoint: Endpoint
  readonly #role: Role
  readonly #reader: FrameReader
  readonly #received: Uint8Array[] = []
  #endCame: 'too early' | 'in time' | 'late' | undefined

  constructor(endpoint: Endpoint, role: Role) {
    this.#endpoint = endpoint
    this.#role = role
    this.#reader = new FrameReader(role)
  }

  get received(): Uint8Array {
    return this.#received.length === 0 ? new Uint8Array(0) : join(this.#received)
  }

  send(bytes: Uint8Array, { size = Number.POSITIVE_INFINITY, at }: { size?: number; at?: number }): void {
    if (at !== undefined) {
      this.#deliver(bytes.subarray(0, at))
      this.#deliver(bytes.subarray(at))
      return
    }
    for (let start = 0; start < bytes.length; start += size)
      this.#deliver(bytes.subarray(start, start + size))
  }

  follow({ steps }: Variant, chunking: Chunking): void {
    const due = steps.findIndex((step) => step.kind === 'failure')
    for (const [index, step] of steps.entries()) {
      if (index === due - 1 && this.#ended) this.#endCame = 'too early'
      if (step.kind === 'send') {
        const size = chunking.size ?? step.chop
        this.send(step.bytes, size === undefined ? {} : { size })
      } else if (step.kind === 'failure') {
        this.#endCame ??= this.#ended ? 'in time' : 'late'
      } else if (this.#reader.replies.length < step.replies && !this.#ended) {
        this.#reader.faults.push(`endpoint: reply ${step.replies} did not come in time`)
      }
    }
  }

  finish(): Observation {
    const { state } = this.#endpoint
    // An endpoint that ended must not answer, whatever comes.
    if (state !== 'open') {
      const peer = new Peer(opposite(this.#role))
      for (const frame of [peer.ping('after the end'), peer.text('after the end'), peer.close(1000)]) {
        this.#deliver(frame)
      }
    }
    this.#reader.finish()
    return {
      replies: this.#reader.replies,
      close: this.#reader.close,
      ended: state !== 'open',
      endCame: this.#endCame,
      saysFailed: state === 'failed',
      faults: this.#reader.faults,
    }
  }

  get #ended(): boolean {
    return this.#endpoint.state !== 'open'
  }

  #deliver(chunk: Uint8Array): void {
    this.#endpoint.receive(chunk)
    const output = this.#endpoint.takeOutput()
    if (output.length === 0) return
    this.#reader.push(output)
    if (this.#received.length < 20) this.#received.push(output.subarray(0, 1024))
  }
}
