// Extensions of one's own (RFC 6455 section 9): what an agreed extension does to messages or frames, and who owns
// which reserved bit. Negotiation happens in the handshake.

import { ProtocolError } from '../errors.ts'

/** Name the reserved bits as they lie in the first byte of a frame. */
export const ReservedBit = { Rsv1: 0x40, Rsv2: 0x20, Rsv3: 0x10 } as const

/** Hold a piece of a message: a whole one, or what there is of a message in fragments. */
export interface MessagePiece {
  readonly payload: Uint8Array
  /** True for the first piece of a message. */
  readonly isFirst: boolean
  /** True for the last piece of a message. */
  readonly isLast: boolean
  /** True when the message is text, which is UTF-8, maybe compressed. */
  readonly isText: boolean
}

/** Hold a data frame without its masking. */
export interface ExtensionFrame {
  readonly fin: boolean
  /** The bits RSV1 (0x40), RSV2 (0x20) and RSV3 (0x10). */
  readonly reservedBits: number
  readonly opcode: number
  readonly payload: Uint8Array
}

/**
 * Do what an agreed extension does, for one connection. Outgoing messages are compressed first, if permessage-deflate
 * was agreed too, then go through `encode` of all extensions in the order of the handshake, then their frames through
 * `encodeFrame`; incoming ones go the way back. All methods may keep state between pieces and frames, and are called in
 * the order of the messages. Payloads that go out are lent: they must not be changed, nor kept after the call; those that
 * came in are the extension's own. What `decode` and `decodeFrame` throw fails the connection with 1007, or with the close
 * code of a ProtocolError; what `encode` and `encodeFrame` throw comes out of `send()` and closes with 1011.
 */
export interface Extension {
  /** The registered name, as in Sec-WebSocket-Extensions. */
  readonly name: string
  /**
   * The reserved bits that it owns. An extension with `encode` has them set on the first frame of each message that it
   * transforms, and is asked to decode only messages that have them.
   * @default 0: all messages are transformed, and nothing on the wire says so
   */
  readonly reservedBits?: number
  /** Tell whether a message is to be transformed; only asked when the extension owns bits. By default all are. */
  applies?(message: { readonly isText: boolean; readonly size: number | undefined }): boolean
  /** Transform a piece of an outgoing message. */
  encode?(piece: MessagePiece): Uint8Array
  /** Transform a piece of an incoming message back. Pieces are cut elsewhere than the sender cut them. */
  decode?(piece: MessagePiece): Uint8Array
  /** Transform an outgoing data frame. It may set the extension's own bits. */
  encodeFrame?(frame: ExtensionFrame): ExtensionFrame
  /** Transform an incoming data frame back, and clear the extension's own bits. */
  decodeFrame?(frame: ExtensionFrame): ExtensionFrame
  /** Let go of what the extension holds: the connection is over. */
  close?(): void
}

/** Run the agreed extensions in order: outgoing messages from first to last, incoming ones back. */
export class ExtensionPipeline {
  readonly #extensions: readonly Extension[]
  /** All reserved bits that some extension owns. */
  readonly reservedBits: number
  /** True when some extension transforms messages. */
  readonly transformsMessages: boolean
  /** True when some extension transforms frames. */
  readonly transformsFrames: boolean
  /** The bits with which the message that is going out was begun. */
  #outgoingBits = 0

  /** Throw a TypeError when two extensions claim the same bit (RFC 6455 section 9.1), or one that is taken. */
  constructor(extensions: readonly Extension[], taken = 0) {
    let owned = taken
    for (const { name, reservedBits = 0 } of extensions) {
      if ((owned & reservedBits) !== 0) {
        throw new TypeError(`the extension "${name}" claims a reserved bit that another extension owns`)
      }
      owned |= reservedBits
    }
    this.#extensions = extensions
    this.reservedBits = owned & ~taken
    this.transformsMessages = extensions.some(({ encode, decode }) => (encode ?? decode) !== undefined)
    this.transformsFrames = extensions.some(
      ({ encodeFrame, decodeFrame }) => (encodeFrame ?? decodeFrame) !== undefined,
    )
  }

  /** Transform a piece of an outgoing message; `size` is that of the whole message, where it is known. */
  encode(
    piece: MessagePiece,
    size: number | undefined,
  ): { readonly payload: Uint8Array; readonly reservedBits: number } {
    if (piece.isFirst) this.#outgoingBits = this.#chooseBits(piece.isText, size)
    let { payload } = piece
    for (const extension of this.#extensions) {
      const { reservedBits = 0 } = extension
      if (extension.encode === undefined || (this.#outgoingBits & reservedBits) !== reservedBits) continue
      payload = extension.encode({ ...piece, payload })
    }
    return { payload, reservedBits: piece.isFirst ? this.#outgoingBits : 0 }
  }

  #chooseBits(isText: boolean, size: number | undefined): number {
    let bits = 0
    for (const extension of this.#extensions) {
      const { reservedBits = 0 } = extension
      if (extension.encode === undefined || reservedBits === 0) continue
      if (extension.applies?.({ isText, size }) !== false) bits |= reservedBits
    }
    return bits
  }

  /** Transform a piece of an incoming message back; `reservedBits` are those of its first frame. */
  decode(piece: MessagePiece, reservedBits: number): Uint8Array | ProtocolError {
    let { payload } = piece
    for (let index = this.#extensions.length - 1; index >= 0; index--) {
      const extension = this.#extensions[index]!
      const own = extension.reservedBits ?? 0
      if (extension.decode === undefined || (reservedBits & own) !== own) continue
      try {
        payload = extension.decode({ ...piece, payload })
      } catch (error) {
        return decodingError(extension, error)
      }
    }
    return payload
  }

  /** Transform an outgoing frame. */
  encodeFrame(frame: ExtensionFrame): ExtensionFrame {
    let result = frame
    for (const extension of this.#extensions) result = extension.encodeFrame?.(result) ?? result
    return result
  }

  /** Transform an incoming frame back. */
  decodeFrame(frame: ExtensionFrame): ExtensionFrame | ProtocolError {
    let result = frame
    for (let index = this.#extensions.length - 1; index >= 0; index--) {
      const extension = this.#extensions[index]!
      try {
        result = extension.decodeFrame?.(result) ?? result
      } catch (error) {
        return decodingError(extension, error)
      }
    }
    return result
  }

  close(): void {
    for (const extension of this.#extensions) {
      try {
        extension.close?.()
      } catch {
        // The connection is over: there is nothing left that this could end.
      }
    }
  }
}

function decodingError(extension: Extension, error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error
  const detail = `"${extension.name}": ${error instanceof Error ? error.message : String(error)}`
  return new ProtocolError('WS_EXTENSION_FAILED', detail, { cause: error })
}
