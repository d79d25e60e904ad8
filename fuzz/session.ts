// One protocol fed as an input says, with everything that it tells and writes put down. What the handler does
// depends only on what it was told, never on chunks: so two sessions with the same bytes must tell the same.

import { ProtocolError } from '../src/errors.ts'
import { nodePlatform } from '../src/kernel/node-platform.ts'
import type { CloseFrame } from '../src/protocol/close-code.ts'
import type { Extension } from '../src/protocol/extension.ts'
import type { Kernel } from '../src/protocol/kernel.ts'
import type { Message } from '../src/protocol/message.ts'
import type { AcceptedMessages } from '../src/protocol/message-assembler.ts'
import { type Platform, portablePlatform } from '../src/protocol/platform.ts'
import { Protocol, type ProtocolHandler, type Role } from '../src/protocol/protocol.ts'
import { type InputReader, toHex } from './bytes.ts'
import { SlowOutput } from './output.ts'
import { check, summarise } from './target.ts'

/** How a session is set up: the first four bytes of an input. */
export interface SessionSetup {
  readonly role: Role
  readonly accept: AcceptedMessages
  readonly platform: Platform
  readonly extensions: readonly Extension[]
  readonly maxMessageSize: number
  readonly maxFragments: number
  /** Send messages back. */
  readonly echo: boolean
  /** Put off close frames and violations to the end. */
  readonly isAnswering: boolean
  /** Hold pongs back to the end. */
  readonly isBackedUp: boolean
  /** After so many facts begin to close, or fail; 0 for never. */
  readonly closeAfter: number
  readonly failAfter: number
}

const ACCEPTED = ['any', 'any', 'text', 'binary'] as const
const MESSAGE_SIZES = [1024 * 1024, 0, 1, 125, 126, 1000, 65_535, 65_536]
const FRAGMENTS = [1024, 1, 2, 3]

/** An extension that owns RSV1 and turns every bit of a payload; it refuses payloads that begin with 0xff. */
const invertingExtension: Extension = {
  name: 'invert',
  reservedBits: 0x40,
  applies: ({ size }) => size === undefined || size > 3,
  encode: ({ payload }) => invert(payload),
  decode({ payload, isFirst }) {
    if (isFirst && payload[0] === 0xff) throw new ProtocolError('WS_EXTENSION_FAILED')
    return invert(payload)
  },
}

function invert(payload: Uint8Array): Uint8Array {
  return payload.map((byte) => byte ^ 0xff)
}

/** Read how a session is set up: role and features, what it accepts, limits, own endings. */
export function readSetup(input: InputReader): SessionSetup {
  const features = input.byte()
  const limits = input.byte()
  const endings = input.byte()
  return {
    role: (features & 0x01) === 0 ? 'server' : 'client',
    echo: (features & 0x02) !== 0,
    isAnswering: (features & 0x04) !== 0,
    isBackedUp: (features & 0x08) !== 0,
    extensions: (features & 0x10) === 0 ? [] : [invertingExtension],
    platform: (features & 0x20) === 0 ? nodePlatform : portablePlatform,
    accept: ACCEPTED[features >> 6]!,
    maxMessageSize: MESSAGE_SIZES[limits & 7]!,
    maxFragments: FRAGMENTS[(limits >> 3) & 3]!,
    closeAfter: endings & 0x0f,
    failAfter: endings >> 4,
  }
}

/** Count what is copied out of the memory that is parsed in. */
class CountedMemory extends Uint8Array {
  static get [Symbol.species](): Uint8ArrayConstructor {
    return Uint8Array
  }

  copied = 0

  override slice(start?: number, end?: number): Uint8Array<ArrayBuffer> {
    const copy = super.slice(start, end)
    this.copied += copy.length
    return copy as Uint8Array<ArrayBuffer>
  }
}

/** Lend a kernel whose copies are counted. */
export function countCopies(kernel: Kernel): Kernel & { readonly memory: CountedMemory } {
  const { memory } = kernel
  return {
    name: kernel.name,
    memory: new CountedMemory(memory.buffer as ArrayBuffer, memory.byteOffset, memory.length),
    readStart: kernel.readStart,
    readSize: kernel.readSize,
    busy: false,
    waiting: [],
    unmask: (start, end, key) => kernel.unmask(start, end, key),
    isAscii: (start, end) => kernel.isAscii(start, end),
  }
}

/** Hold a protocol and all that it told. */
export class Session implements ProtocolHandler {
  readonly protocol: Protocol
  /** What happened, with its content. */
  readonly facts: string[] = []
  /** What happened, without it. */
  readonly kinds: string[] = []
  readonly #setup: SessionSetup
  readonly #output: SlowOutput
  /** Set while nothing may be reported. */
  isPaused = false
  /** What happens besides, once a fact was put down. */
  afterFact: (() => void) | undefined
  /** Bytes allocated by the protocol. */
  allocated = 0

  constructor(setup: SessionSetup, kernel: Kernel) {
    this.#setup = setup
    this.#output = new SlowOutput(setup.isBackedUp)
    let key = 0x1f2e3d4c
    this.protocol = new Protocol({
      role: setup.role,
      kernel,
      platform: {
        ...setup.platform,
        allocate: (size) => {
          this.allocated += size
          // Poison: memory that was not written must not show.
          return setup.platform.allocate(size).fill(0xa5)
        },
        copy: (bytes, start, end) => {
          this.allocated += end - start
          return setup.platform.copy(bytes, start, end)
        },
      },
      limits: {
        maxMessageSize: setup.maxMessageSize,
        maxStreamSize: setup.maxMessageSize,
        maxFragments: setup.maxFragments,
      },
      output: this.#output,
      handler: this,
      maskingKeys: () => (key = Math.imul(key, 0x2c1b3c6d) ^ 0x297a2d39),
      accept: setup.accept,
      extensions: setup.extensions,
    })
    if (setup.isAnswering) this.isAnswering = () => true
  }

  isAnswering?: () => boolean

  /** Let go of all that was held back, and return what was written, in hexadecimal. */
  finish(): string {
    while (this.isPaused) {
      this.isPaused = false
      this.protocol.resume()
    }
    check(!this.protocol.hasBacklog, 'bytes are left that were never parsed')
    this.protocol.proceed()
    this.protocol.outputDrained()
    const { state, beganBy, received, sent } = this.protocol
    this.facts.push(`end ${JSON.stringify({ state, beganBy, received, sent })}`)
    this.kinds.push(state)
    return toHex(this.#output.takeOutput())
  }

  /** Say in few words what happened. */
  describe(): string {
    return `${this.#setup.role}${summarise(this.kinds)}`
  }

  onMessage(message: Message): void {
    const { maxMessageSize, accept, echo, extensions } = this.#setup
    if (typeof message === 'string') {
      const size = Buffer.byteLength(message)
      check(size <= maxMessageSize, () => `a text of ${size} bytes, above maxMessageSize ${maxMessageSize}`)
      check(accept !== 'binary', 'a text, although only binary is accepted')
      this.#tell(extensions.length > 0 ? 'Text' : 'text', message)
      if (echo) this.protocol.sendText(message)
    } else {
      check(message.length <= maxMessageSize, () => `${message.length} bytes, above ${maxMessageSize}`)
      check(accept !== 'text', 'a binary message, although only text is accepted')
      this.#tell('binary', toHex(message))
      if (echo) this.protocol.sendBytes(message)
    }
    this.#afterFact()
  }

  onPing(payload: Uint8Array): void {
    this.#tell('ping', toHex(payload))
    this.#afterFact()
  }

  onPong(payload: Uint8Array): void {
    this.#tell('pong', toHex(payload))
    this.#afterFact()
  }

  onClose(frame: CloseFrame): void {
    this.#tell(`close`, `${frame.code} ${frame.reason}`)
    this.#afterFact()
  }

  onFailure(error: ProtocolError): void {
    // How much of a transformed message was seen when it became too large depends on the chunks.
    const words = this.#setup.extensions.length > 0 ? error.reason : error.message
    this.#tell(error.code, `${error.closeCode} ${words}`)
    this.#afterFact()
  }

  #tell(kind: string, content: string): void {
    check(!this.isPaused, () => `${kind} was reported while paused`)
    const last = this.kinds.at(-1)
    check(last !== 'close' && !last?.startsWith('WS_'), () => `${kind} was reported after ${last}`)
    this.kinds.push(kind)
    this.facts.push(`${kind} ${content}`)
  }

  #afterFact(): void {
    const { closeAfter, failAfter } = this.#setup
    if (this.facts.length === closeAfter) this.protocol.sendClose(1000, 'enough')
    if (this.facts.length === failAfter) this.protocol.fail(1008, 'enough')
    this.afterFact?.()
  }
}
