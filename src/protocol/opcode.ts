// The kinds of frames (RFC 6455 section 5.2).

/** Name the opcodes of RFC 6455 section 5.2. */
export const Opcode = {
  Continuation: 0x0,
  Text: 0x1,
  Binary: 0x2,
  Close: 0x8,
  Ping: 0x9,
  Pong: 0xa,
} as const

export type Opcode = (typeof Opcode)[keyof typeof Opcode]

/** Tell whether the opcode is that of a control frame, known or reserved. */
export function isControl(opcode: number): boolean {
  return opcode >= 0x8
}

/** Tell whether RFC 6455 defines the opcode; 3-7 and 0xb-0xf are reserved. */
export function isKnownOpcode(opcode: number): boolean {
  return opcode <= Opcode.Binary || (opcode >= Opcode.Close && opcode <= Opcode.Pong)
}
