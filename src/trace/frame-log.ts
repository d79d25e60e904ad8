// What an open connection's trace says: its frames in both directions, and how its stream ends.

import { canRunSync } from '../deflate/sync-zlib.ts'
import { parseExtensionHeader } from '../handshake/extension-header.ts'
import { Opcode } from '../protocol/opcode.ts'
import type { Role } from '../protocol/protocol.ts'
import type { FrameFact } from './channels.ts'
import { describeTracedFrame } from './frame-line.ts'
import { type CompressionFacts, type FrameFacts, FrameReader } from './frame-reader.ts'
import type { TapListener } from './tap-transport.ts'

export type Direction = 'sent' | 'received'

/** Take what is to be told. */
export interface FrameLogTarget {
  readonly role: Role
  /** Print a line, if anything is printed. */
  print(line: string): void
  /** Tell whether somebody wants to know of the frames of a direction. */
  isListening(direction: Direction): boolean
  /** Publish a frame. */
  frame(direction: Direction, frame: FrameDescription): void
}

/** Hold what is published of a frame. */
export type FrameDescription = Omit<FrameFact, 'number' | 'role' | 'connection'>

/** The sigils of Python's websockets: `>` goes out, `<` came in. */
export const SIGILS = { sent: '>', received: '<' } as const

// As the payloads of our own pings begin, by which they can be told from a user's.
const HEARTBEAT = new TextEncoder().encode('openline:')

/** Tell of frames. */
export class FrameLog implements TapListener {
  readonly sent: FrameReader
  readonly received: FrameReader
  readonly #target: FrameLogTarget
  readonly #maxBytes: number
  #hasSentClose = false
  /** The directions in which it was said that something cannot be decompressed. */
  readonly #isCompressed = { sent: false, received: false }

  /** `extensions` is what the response to the handshake named. */
  constructor(target: FrameLogTarget, maxBytes: number, extensions: string) {
    this.#target = target
    this.#maxBytes = maxBytes
    const reader = (direction: Direction): FrameReader =>
      new FrameReader(maxBytes, compressionOf(extensions, target.role, direction), (frame) =>
        this.#onFrame(direction, frame),
      )
    this.sent = reader('sent')
    this.received = reader('received')
  }

  #onFrame(direction: Direction, frame: FrameFacts): void {
    const target = this.#target
    const expectsMask = (target.role === 'client') === (direction === 'sent')
    const description = describeTracedFrame(frame, this.#maxBytes, expectsMask)
    target.print(`${SIGILS[direction]} ${description}`)
    this.#comment(direction, frame)
    if (!target.isListening(direction)) return
    target.frame(direction, {
      opcode: frame.opcode,
      fin: frame.fin,
      reservedBits: frame.reservedBits,
      masked: frame.isMasked,
      length: frame.length,
      type: frame.type,
      decompressedLength: frame.isDecompressed ? frame.excerpt.size : undefined,
      excerpt: frame.excerpt.head.subarray(0, this.#maxBytes),
      description,
    })
  }

  /** Say what a frame means that Python's websockets comments on, too. */
  #comment(direction: Direction, frame: FrameFacts): void {
    const target = this.#target
    if (frame.opcode === Opcode.Ping && direction === 'sent' && isHeartbeat(frame)) {
      target.print('% sent keepalive ping')
    }
    if (frame.opcode === Opcode.Pong && direction === 'received' && isHeartbeat(frame)) {
      target.print('% received keepalive pong')
    }
    if (frame.opcode === Opcode.Close && direction === 'sent' && !this.#hasSentClose) {
      this.#hasSentClose = true
      target.print('= connection is CLOSING')
    }
    if (!frame.isCompressed || frame.isDecompressed || this.#isCompressed[direction]) return
    this.#isCompressed[direction] = true
    target.print(
      canRunSync()
        ? '% a compressed message is broken or larger than 16 MiB: it is shown as it is, and so are those after it'
        : '% compressed messages are shown as they are: zlib can only work on its thread pool here',
    )
  }

  onPeerEnd(): void {
    this.#target.print('< EOF')
  }

  onEnd(): void {
    this.#target.print('x half-closing TCP connection')
  }

  onDestroy(): void {
    this.#target.print('x aborting TCP connection')
  }
}

/** Say how messages of a direction are decompressed. Behind other extensions only their payloads as they are can be shown. */
function compressionOf(extensions: string, role: Role, direction: Direction): CompressionFacts {
  const [agreed, ...others] = extensions === '' ? [] : (parseExtensionHeader(extensions) ?? [])
  if (agreed?.name !== 'permessage-deflate' || others.length > 0) return undefined
  const sender = (role === 'client') === (direction === 'sent') ? 'client' : 'server'
  const isForgetful = agreed.parameters.some(({ name }) => name === `${sender}_no_context_takeover`)
  return { keepsWindow: !isForgetful }
}

function isHeartbeat({ excerpt }: FrameFacts): boolean {
  return HEARTBEAT.every((byte, index) => excerpt.head[index] === byte)
}
