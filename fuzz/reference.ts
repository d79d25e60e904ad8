// What RFC 6455 section 5 makes of bytes, read frame by frame with BigInt and without any care for chunks or speed.
// Independent of src/, so that both being wrong in the same way is unlikely.

import { concat, toHex } from './bytes.ts'
import { canBecomeUtf8, decodeFatally } from './oracle.ts'
import type { SessionSetup } from './session.ts'

/** Return what a peer that sent these bytes makes an end report: facts as a session's, failures by their code alone. */
export function referenceFacts(setup: SessionSetup, wire: Uint8Array): string[] {
  const facts: string[] = []
  const isServer = setup.role === 'server'
  let position = 0
  let opcodeUnderWay = 0
  let parts: Uint8Array[] = []
  let announced = 0n

  for (;;) {
    const first = wire[position]
    const second = wire[position + 1]
    if (first === undefined || second === undefined) return facts
    const fin = first >= 0x80
    const opcode = first & 0x0f
    const isControl = opcode >= 8
    const masked = second >= 0x80
    const fail = (code: string): string[] => [...facts, code]

    if ((first & 0x70) !== 0) return fail('WS_RESERVED_BITS')
    if (![0, 1, 2, 8, 9, 10].includes(opcode)) return fail('WS_RESERVED_OPCODE')
    if (masked !== isServer) return fail(isServer ? 'WS_MASK_REQUIRED' : 'WS_MASK_FORBIDDEN')
    if (isControl && !fin) return fail('WS_CONTROL_FRAGMENTED')
    if (isControl && (second & 0x7f) > 125) return fail('WS_CONTROL_TOO_LONG')

    const form = second & 0x7f
    const lengthSize = form === 127 ? 8 : form === 126 ? 2 : 0
    let payloadStart = position + 2 + lengthSize
    if (wire.length < payloadStart) return facts
    const digits = toHex(wire.subarray(position + 2, payloadStart))
    const length = lengthSize === 0 ? BigInt(form) : BigInt(`0x${digits}`)
    if (length >= 2n ** 63n) return fail('WS_LENGTH_OUT_OF_RANGE')
    if (lengthSize > 0 && length < (lengthSize === 2 ? 126n : 65_536n)) return fail('WS_LENGTH_NOT_MINIMAL')
    const key = wire.subarray(payloadStart, payloadStart + 4)
    if (masked) payloadStart += 4
    if (wire.length < payloadStart) return facts
    const raw = wire.subarray(payloadStart, payloadStart + Number(length))
    const payload = masked ? raw.map((byte, index) => byte ^ key[index % 4]!) : raw
    const isWhole = BigInt(payload.length) === length
    position = payloadStart + payload.length

    if (isControl) {
      if (!isWhole) return facts
      if (opcode === 8) return [...facts, judgeClose(payload)]
      facts.push(`${opcode === 9 ? 'ping' : 'pong'} ${toHex(payload)}`)
      continue
    }
    if (opcode === 0) {
      if (opcodeUnderWay === 0) return fail('WS_UNEXPECTED_CONTINUATION')
      if (parts.length === setup.maxFragments) return fail('WS_TOO_MANY_FRAGMENTS')
    } else {
      if (opcodeUnderWay !== 0) return fail('WS_EXPECTED_CONTINUATION')
      if (setup.accept === (opcode === 1 ? 'binary' : 'text')) return fail('WS_DATA_NOT_ACCEPTED')
      opcodeUnderWay = opcode
      parts = []
      announced = 0n
    }
    announced += length
    if (announced > BigInt(setup.maxMessageSize)) return fail('WS_MESSAGE_TOO_BIG')
    parts.push(payload)
    const bytes = concat(parts)
    const isText = opcodeUnderWay === 1
    if (isText && !canBecomeUtf8(bytes)) return fail('WS_BAD_UTF8')
    if (!isWhole) return facts
    if (!fin) continue
    const text = isText ? decodeFatally(bytes) : ''
    if (text === undefined) return fail('WS_BAD_UTF8')
    facts.push(isText ? `text ${text}` : `binary ${toHex(bytes)}`)
    opcodeUnderWay = 0
  }
}

function judgeClose(payload: Uint8Array): string {
  if (payload.length === 0) return 'close 1005 '
  if (payload.length === 1) return 'WS_BAD_CLOSE_PAYLOAD'
  const code = payload[0]! * 256 + payload[1]!
  const isRegistered = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014].includes(code)
  if (!isRegistered && (code < 3000 || code > 4999)) return 'WS_BAD_CLOSE_CODE'
  const reason = decodeFatally(payload.subarray(2))
  return reason === undefined ? 'WS_BAD_UTF8' : `close ${code} ${reason}`
}
