// A message that goes to many peers: encoded once, and framed once for all whose frames look the same.

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

  /** Copy the bytes: they can be changed afterwards, although some peers take their time. */
  constructor(opcode: PreparedMessage['opcode'], bytes: Uint8Array, platform: Platform) {
    const memory = platform.allocate(LONGEST_HEADER + bytes.length)
    const start = writeHeader(memory, 0, FIN | opcode, 0, bytes.length)
    memory.set(bytes, start)
    this.opcode = opcode
    this.frame = memory.subarray(0, start + bytes.length)
    this.payload = this.frame.subarray(start)
  }
}
