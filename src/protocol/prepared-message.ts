// A message that goes to many peers: encoded once, and framed and compressed once for all whose frames look the same.

import { ReservedBit } from './extension.ts'
import { FIN, writeHeader } from './frame-serializer.ts'
import { LONGEST_HEADER } from './limits.ts'
import type { Opcode } from './opcode.ts'
import type { Platform } from './platform.ts'

/** Hold a message in the form in which it goes out. */
export class PreparedMessage {
  readonly opcode: typeof Opcode.Text | typeof Opcode.Binary
  /** The message as one frame that is not masked, as servers send it to peers without extensions. */
  readonly frame: Uint8Array
  /** The frame's payload. */
  readonly payload: Uint8Array
  /** It may be compressed on the way. */
  readonly isCompressible: boolean
  readonly #platform: Platform
  /** Compressed frames by the name of the class of peers that understand them; `undefined` where that is no gain. */
  readonly #compressed = new Map<string, Uint8Array | undefined>()

  /** Copy the bytes: they can be changed afterwards, although some peers take their time. */
  constructor(
    opcode: PreparedMessage['opcode'],
    bytes: Uint8Array,
    platform: Platform,
    isCompressible = true,
  ) {
    this.opcode = opcode
    this.#platform = platform
    this.isCompressible = isCompressible
    this.frame = makeFrame(FIN | opcode, bytes, platform)
    this.payload = this.frame.subarray(this.frame.length - bytes.length)
  }

  /** Give the compressed frame for a class of peers, made when first asked for; `undefined` when that is no gain. */
  compressed(
    peers: string,
    compress: (payload: Uint8Array) => Uint8Array | undefined,
  ): Uint8Array | undefined {
    if (!this.#compressed.has(peers)) {
      const payload = compress(this.payload)
      const first = FIN | ReservedBit.Rsv1 | this.opcode
      this.#compressed.set(
        peers,
        payload === undefined ? undefined : makeFrame(first, payload, this.#platform),
      )
    }
    return this.#compressed.get(peers)
  }
}

function makeFrame(first: number, payload: Uint8Array, platform: Platform): Uint8Array {
  const memory = platform.allocate(LONGEST_HEADER + payload.length)
  const start = writeHeader(memory, 0, first, 0, payload.length)
  memory.set(payload, start)
  return memory.subarray(0, start + payload.length)
}
