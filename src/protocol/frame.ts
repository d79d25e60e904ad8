// One frame as data, and in words.

import { Opcode } from './opcode.ts'

/** Hold a frame: the unit on the wire (RFC 6455 section 5.2). */
export interface Frame {
  readonly fin: boolean
  /** The bits RSV1 (0x40), RSV2 (0x20) and RSV3 (0x10). */
  readonly reservedBits: number
  readonly opcode: number
  /** The masking key, lowest byte first; `undefined` when the frame is not masked. */
  readonly maskingKey: number | undefined
  /** The payload, unmasked. */
  readonly payload: Uint8Array
}

const OPCODE_NAMES: Readonly<Record<number, string>> = {
  [Opcode.Continuation]: 'CONTINUATION',
  [Opcode.Text]: 'TEXT',
  [Opcode.Binary]: 'BINARY',
  [Opcode.Close]: 'CLOSE',
  [Opcode.Ping]: 'PING',
  [Opcode.Pong]: 'PONG',
}

const EXCERPT_BYTES = 32

/** Describe a frame in one line, such as `TEXT 'Hello' [5 bytes]`; control characters are escaped. */
export function describeFrame(frame: Frame): string {
  const { opcode, payload } = frame
  const name = OPCODE_NAMES[opcode] ?? `RESERVED 0x${opcode.toString(16)}`
  const details = [`${payload.length} ${payload.length === 1 ? 'byte' : 'bytes'}`]
  if (!frame.fin) details.push('continued')
  if (frame.reservedBits !== 0) details.push(`RSV 0x${frame.reservedBits.toString(16)}`)
  if (frame.maskingKey !== undefined) details.push('masked')
  const excerpt = opcode === Opcode.Close ? describeClose(payload) : describeBytes(payload)
  return `${name} ${excerpt && `${excerpt} `}[${details.join(', ')}]`
}

function describeClose(payload: Uint8Array): string {
  if (payload.length < 2) return describeBytes(payload)
  const reason = describeBytes(payload.subarray(2))
  return `${(payload[0]! << 8) | payload[1]!}${reason && ` ${reason}`}`
}

function describeBytes(payload: Uint8Array): string {
  if (payload.length === 0) return ''
  const excerpt = payload.subarray(0, EXCERPT_BYTES)
  const more = payload.length > EXCERPT_BYTES ? '…' : ''
  let isText = true
  for (const byte of excerpt) if (byte < 0x20 || byte > 0x7e) isText = false
  if (isText) return `'${String.fromCharCode(...excerpt)}'${more}`
  return `${Array.from(excerpt, (byte) => byte.toString(16).padStart(2, '0')).join(' ')}${more}`
}
