// A message that goes to many peers: encoded once, and framed once for all whose frames look the same.

import { FIN, writeHeader } from './frame-serializer.ts'
import { LONGEST_HEADER } from './limits.ts'
import type { Opcode } from './opcode.ts'
import type { Platform } from './platform.ts'

/** Hold a message in the form in which it goes out. */
export class PreparedMessage {
  readonly opcode: typeof Opcode.Text | typeof Opcode.Binary
  readonly payload: Uint8Array
  readonly #platform: Platform
  #frame: Uint8Array | undefined

  /** Take over the bytes: they must not change any more. */
  constructor(opcode: PreparedMessage['opcode'], payload: Uint8Array, platform: Platform) {
    this.opcode = opcode
    this.payload = payload
    this.#platform = platform
  }

  /** The message as one frame that is not masked, as servers send it to peers without extensions. */
  get frame(): Uint8Array {
    if (this.#frame === undefined) {
      const { payload } = this
      const frame = this.#platform.allocate(LONGEST_HEADER + payload.length)
      const start = writeHeader(frame, 0, FIN | this.opcode, 0, payload.length)
      frame.set(payload, start)
      this.#frame = frame.subarray(0, start + payload.length)
    }
    return this.#frame
  }
}
