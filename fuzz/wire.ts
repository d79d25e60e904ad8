// Makes what a peer may send: mostly valid frames with now and then a fault, each fault of a kind that a parser
// can get wrong.

import { concat } from './bytes.ts'
import type { Random } from './random.ts'

/** The lengths at which the header changes, or at which a number does: of 7, 16, 32, 53, 63 and 64 bits. */
const LENGTHS: readonly bigint[] = [
  ...[0n, 1n, 124n, 125n, 126n, 127n, 128n, 255n, 256n, 65_534n, 65_535n, 65_536n, 65_537n],
  ...[2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n],
  ...[2n ** 62n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n],
]

const DATA_OPCODES = [0x0, 0x1, 0x2]
const CONTROL_OPCODES = [0x8, 0x9, 0xa]
const CLOSE_CODES = [
  0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1011, 1014, 1015, 1016, 2999, 3000, 4999, 5000,
  65535,
]

/** Characters of each length in UTF-8 and at the ends of its ranges. */
const CHARACTERS = [
  'a',
  '\0',
  '\x7f',
  '\x80',
  'é',
  '\u07ff',
  '\u0800',
  '中',
  '\ufeff',
  '\ufffd',
  '\uffff',
  '𝄞',
  '😀',
  '\u{10ffff}',
]

/** Byte sequences that are no UTF-8: overlong, surrogates, too large, lone and missing continuations. */
const BAD_UTF8: readonly (readonly number[])[] = [
  [0x80],
  [0xbf],
  [0xc0, 0x80],
  [0xc1, 0xbf],
  [0xc2],
  [0xe0, 0x80, 0x80],
  [0xe0, 0x9f, 0xbf],
  [0xe1, 0x80],
  [0xed, 0xa0, 0x80],
  [0xed, 0xbf, 0xbf],
  [0xf0, 0x80, 0x80, 0x80],
  [0xf0, 0x8f, 0xbf, 0xbf],
  [0xf0, 0x90, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0xf5, 0x80, 0x80, 0x80],
  [0xff],
]

/** Make text bytes, valid UTF-8 unless `faulty`. */
export function anyText(random: Random, longest: number, faulty: boolean): Uint8Array {
  let text = ''
  const isAscii = random.oneIn(3)
  for (let count = random.length(longest); count > 0; count--) {
    text += isAscii ? String.fromCharCode(random.between(0x20, 0x7e)) : random.pick(CHARACTERS)
  }
  const bytes = new TextEncoder().encode(text)
  if (!faulty) return bytes
  const place = random.below(bytes.length + 1)
  return concat([bytes.subarray(0, place), random.pick(BAD_UTF8), bytes.subarray(place)])
}

/** What generated frames are like. */
export interface WireStyle {
  /** True when the frames go to a server. */
  readonly masked: boolean
  /** One frame in so many has a fault. */
  readonly faultEvery: number
  readonly longestPayload: number
  readonly mostFrames: number
}

/** Make what a peer sends on one connection. */
export function anyWire(random: Random, style: WireStyle): Uint8Array {
  const frames: Uint8Array[] = []
  for (let count = random.between(1, style.mostFrames); count > 0; count--) {
    if (random.oneIn(style.faultEvery)) frames.push(anyFrame(random, style))
    else if (random.oneIn(4)) frames.push(controlFrame(random, style, random.pick([0x9, 0xa])))
    else frames.push(...message(random, style))
  }
  if (random.oneIn(3)) frames.push(controlFrame(random, style, 0x8))
  return concat(frames)
}

/** A message in one or several frames, with control frames between them; characters are cut anywhere. */
function message(random: Random, style: WireStyle): Uint8Array[] {
  const isText = random.oneIn(2)
  const faulty = random.oneIn(style.faultEvery)
  const payload = isText
    ? anyText(random, style.longestPayload, faulty)
    : random.bytes(
        random.oneIn(4) ? Number(random.pick(LENGTHS.slice(0, 9))) : random.length(style.longestPayload),
      )
  const frames: Uint8Array[] = []
  let opcode = isText ? 0x1 : 0x2
  let position = 0
  for (let fragments = random.oneIn(2) ? 1 : random.between(2, 6); fragments > 1; fragments--) {
    const end = Math.min(payload.length, position + random.length(payload.length))
    frames.push(frame(random, style, opcode, payload.subarray(position, end)))
    if (random.oneIn(4)) frames.push(controlFrame(random, style, random.pick([0x9, 0xa])))
    opcode = 0x0
    position = end
  }
  frames.push(frame(random, style, 0x80 | opcode, payload.subarray(position)))
  return frames
}

function controlFrame(random: Random, style: WireStyle, opcode: number): Uint8Array {
  let payload: Uint8Array
  if (opcode === 0x8) {
    const code = random.oneIn(3) ? 1000 : random.pick(CLOSE_CODES)
    const reason = anyText(random, 20, random.oneIn(8))
    payload = random.oneIn(5) ? new Uint8Array(random.below(2)) : concat([[code >> 8, code & 0xff], reason])
  } else {
    payload = random.bytes(random.oneIn(4) ? random.pick([0, 1, 124, 125]) : random.length(125))
  }
  return frame(random, style, 0x80 | opcode, payload.subarray(0, 125))
}

/** Any frame at all: reserved bits and opcodes, wrong masking, lengths that lie or are written too long. */
function anyFrame(random: Random, style: WireStyle): Uint8Array {
  const opcode = random.oneIn(3)
    ? random.below(16)
    : random.pick(random.oneIn(2) ? DATA_OPCODES : CONTROL_OPCODES)
  const first = (random.oneIn(4) ? 0 : 0x80) | (random.oneIn(4) ? random.below(8) << 4 : 0) | opcode
  const length = random.pick(LENGTHS)
  const forms = ([7, 16, 64] as const).filter((bits) => bits === 64 || length < 2n ** BigInt(bits))
  const masked = random.oneIn(8) ? !style.masked : style.masked
  const payload = random.bytes(Math.min(Number(length), random.length(300)))
  return concat([header(first, length, masked ? random.next() : undefined, random.pick(forms)), payload])
}

function frame(random: Random, style: WireStyle, first: number, payload: Uint8Array): Uint8Array {
  const length = BigInt(payload.length)
  if (!style.masked) return concat([header(first, length, undefined), payload])
  const key = random.oneIn(4) ? 0 : random.next()
  const masked = payload.map((byte, index) => byte ^ ((key >>> ((index & 3) << 3)) & 0xff))
  return concat([header(first, length, key), masked])
}

/** Write a header; `bits` says in how many the length is written. */
function header(
  first: number,
  length: bigint,
  key: number | undefined,
  bits: 7 | 16 | 64 = length < 126n ? 7 : length < 65_536n ? 16 : 64,
): Uint8Array {
  const maskBit = key === undefined ? 0 : 0x80
  const bytes = [first, maskBit | (bits === 7 ? Number(length) : bits === 16 ? 126 : 127)]
  if (bits > 7) {
    for (let shift = bits - 8; shift >= 0; shift -= 8) bytes.push(Number((length >> BigInt(shift)) & 0xffn))
  }
  if (key !== undefined) bytes.push(key & 0xff, (key >>> 8) & 0xff, (key >>> 16) & 0xff, key >>> 24)
  return Uint8Array.from(bytes)
}

/** Parts that are worth inserting anywhere. */
export const WIRE_DICTIONARY: readonly Uint8Array[] = [
  ...LENGTHS.filter((length) => length > 65_000n).flatMap((length) => [
    header(0x82, length, undefined, 64),
    header(0x82, length, 0, 64),
  ]),
  ...[0x00, 0x01, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8a].flatMap((first) => [
    header(first, 0n, undefined),
    header(first, 0n, 0),
    header(first, 126n, undefined),
    header(first, 126n, 0),
  ]),
  ...BAD_UTF8.map((bytes) => Uint8Array.from(bytes)),
  ...CHARACTERS.map((character) => new TextEncoder().encode(character)),
]
