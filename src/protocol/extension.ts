// Extensions and who owns which reserved bit (RFC 6455 section 9). Negotiation happens in the handshake;
// here are only the transforms that were agreed.

import { ProtocolError } from '../errors.ts'

/** Name the reserved bits as they lie in the first byte of a frame. */
export const ReservedBit = { Rsv1: 0x40, Rsv2: 0x20, Rsv3: 0x10 } as const

/** Transform messages on their way out and in. An extension owns the reserved bits that it names. */
export interface Extension {
  /** The registered name, as in Sec-WebSocket-Extensions. */
  readonly name: string
  /** The reserved bits that it may set on the first frame of a message. */
  readonly reservedBits: number
  /** Transform an outgoing payload; return it unchanged with no bits to leave a message alone. */
  encode(payload: Uint8Array): { readonly payload: Uint8Array; readonly reservedBits: number }
  /** Transform an incoming payload whose first frame had one of the bits set. Must not make more than `limit` bytes. */
  decode(payload: Uint8Array, limit: number): Uint8Array | ProtocolError
}

/** Run the agreed extensions in order: outgoing messages from first to last, incoming ones back. */
export class ExtensionPipeline {
  readonly #extensions: readonly Extension[]
  /** All reserved bits that some extension owns. */
  readonly reservedBits: number

  /** Throw a TypeError when two extensions claim the same bit (RFC 6455 section 9.1). */
  constructor(extensions: readonly Extension[] = []) {
    let owned = 0
    for (const { name, reservedBits } of extensions) {
      if ((owned & reservedBits) !== 0) {
        throw new TypeError(`the extension "${name}" claims a reserved bit that another extension owns`)
      }
      owned |= reservedBits
    }
    this.#extensions = extensions
    this.reservedBits = owned
  }

  get isEmpty(): boolean {
    return this.#extensions.length === 0
  }

  /** Transform an outgoing message. */
  encode(payload: Uint8Array): { readonly payload: Uint8Array; readonly reservedBits: number } {
    let result = payload
    let reservedBits = 0
    for (const extension of this.#extensions) {
      const encoded = extension.encode(result)
      result = encoded.payload
      reservedBits |= encoded.reservedBits
    }
    return { payload: result, reservedBits }
  }

  /** Transform an incoming message back; an error ends the connection. */
  decode(payload: Uint8Array, reservedBits: number, limit: number): Uint8Array | ProtocolError {
    let result = payload
    for (let index = this.#extensions.length - 1; index >= 0; index--) {
      const extension = this.#extensions[index]!
      if ((extension.reservedBits & reservedBits) === 0) continue
      const decoded = extension.decode(result, limit)
      if (decoded instanceof ProtocolError) return decoded
      if (decoded.length > limit) return new ProtocolError('WS_MESSAGE_TOO_BIG', `${decoded.length} bytes`)
      result = decoded
    }
    return result
  }
}
