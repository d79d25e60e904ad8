// A frame in one line, as Python's websockets logs it: opcode, excerpt, and in brackets what else there is to know.

import { explainCloseCode } from '../protocol/close-code.ts'
import { Opcode } from '../protocol/opcode.ts'
import { firstCharacterStart, isUtf8, lastCharacterEnd, quote, showText } from './escape.ts'
import type { PayloadExcerpt } from './excerpt.ts'
import type { FrameFacts } from './frame-reader.ts'

const NAMES: Readonly<Record<number, string>> = {
  [Opcode.Continuation]: 'CONT',
  [Opcode.Text]: 'TEXT',
  [Opcode.Binary]: 'BINARY',
  [Opcode.Close]: 'CLOSE',
  [Opcode.Ping]: 'PING',
  [Opcode.Pong]: 'PONG',
}

const RSV1 = 0x40

/**
 * Describe a frame, such as `TEXT 'hello' [5 bytes]`. Frames of clients are masked and those of servers are not; only
 * one that is not as `expectsMask` says is told of.
 */
export function describeTracedFrame(frame: FrameFacts, maxBytes: number, expectsMask: boolean): string {
  const { opcode, length, received, isCompressed, isDecompressed, excerpt } = frame
  const name = NAMES[opcode] ?? `RESERVED 0x${opcode.toString(16)}`
  const type = showsAs(frame)
  const details: string[] = []
  if (opcode !== Opcode.Text && opcode !== Opcode.Binary && type !== undefined && excerpt.size > 0) {
    details.push(type)
  }
  if (isDecompressed) details.push(bytes(excerpt.size), `${length} compressed`)
  else details.push(isCompressed ? `${bytes(length)} compressed` : bytes(length))
  if (received < length) details.push(`${received} came`)
  if (!frame.fin) details.push('continued')
  details.push(...describeBits(isCompressed ? frame.reservedBits & ~RSV1 : frame.reservedBits))
  if (frame.isMasked !== expectsMask) details.push(frame.isMasked ? 'masked' : 'not masked')
  const shown = maxBytes === 0 ? '' : showPayload(excerpt, type, maxBytes)
  const payload = opcode === Opcode.Close ? showClose(excerpt, maxBytes) : shown
  return `${name}${payload && ` ${payload}`} [${details.join(', ')}]`
}

/** The excerpt as it is shown, or what is known of a close frame; `undefined` for what has no kind. */
function showsAs({ opcode, type, isCompressed, isDecompressed, excerpt }: FrameFacts): FrameFacts['type'] {
  if (opcode === Opcode.Close) return undefined
  if (isCompressed && !isDecompressed) return 'binary'
  return type ?? (isUtf8(excerpt.head.subarray(0, headEnd(excerpt))) ? 'text' : 'binary')
}

/** Where the head ends, but for a character that it holds only a part of. */
function headEnd({ size, head }: PayloadExcerpt): number {
  return size > head.length ? lastCharacterEnd(head, head.length) : head.length
}

function describeBits(reservedBits: number): string[] {
  const names = ['RSV1', 'RSV2', 'RSV3']
  return names.filter((_, index) => (reservedBits & (RSV1 >> index)) !== 0)
}

function bytes(count: number): string {
  return `${count} ${count === 1 ? 'byte' : 'bytes'}`
}

function showPayload(excerpt: PayloadExcerpt, type: FrameFacts['type'], maxBytes: number): string {
  return type === 'binary' ? showBinary(excerpt, maxBytes) : quote(showCut(excerpt, maxBytes))
}

/** Two thirds of what may be shown from the beginning, and one third from the end. */
function showCut({ size, head, tail }: PayloadExcerpt, maxBytes: number): string {
  if (size <= maxBytes) return showText(head.subarray(0, size))
  const cut = Math.max(0, Math.floor(maxBytes / 3) - 1)
  const start = head.subarray(0, lastCharacterEnd(head, Math.min(2 * cut, head.length)))
  const last = tail.subarray(tail.length - Math.min(cut, tail.length))
  return `${showText(start)}…${showText(last.subarray(firstCharacterStart(last)))}`
}

function showBinary({ size, head, tail }: PayloadExcerpt, maxBytes: number): string {
  const most = Math.floor(maxBytes / 3)
  if (size <= most) return hex(head.subarray(0, size))
  const cut = Math.max(0, Math.floor((most - 1) / 3))
  const last = tail.subarray(tail.length - Math.min(cut, tail.length))
  return [hex(head.subarray(0, 2 * cut)), '…', hex(last)].filter((part) => part !== '').join(' ')
}

function showClose(excerpt: PayloadExcerpt, maxBytes: number): string {
  const { size, head, tail } = excerpt
  if (size === 0) return explainCloseCode(1005)
  if (size === 1) return hex(head.subarray(0, 1))
  const code = (head[0]! << 8) | head[1]!
  // As the libraries of Python call it.
  const words = code === 1000 ? '1000 (OK)' : explainCloseCode(code)
  if (size === 2 || maxBytes === 0) return words
  return `${words} ${showCut({ size: size - 2, head: head.subarray(2), tail }, maxBytes - 2)}`
}

function hex(part: Uint8Array): string {
  return Array.from(part, (byte) => byte.toString(16).padStart(2, '0')).join(' ')
}
