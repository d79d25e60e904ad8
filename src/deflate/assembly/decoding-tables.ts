// Tables that decode prefix codes: the next bits of the input are the number of an entry, which says all that is
// needed. Codes longer than the table is wide lead to a smaller table behind it.
//
// An entry has, from its lowest bit on: how many bits to take in all (8), where those begin that say more than the code
// (5), what kind of symbol it is (3, and the highest bit), and what that stands for (16).

import { NEXT_CODES, ONES, REVERSED } from './decompressor-layout'

export const LITERAL: u32 = 1 << 31
/** Neither a literal nor a length. */
export const UNUSUAL: u32 = 1 << 15
export const SUBTABLE: u32 = 1 << 14
export const END_OF_BLOCK: u32 = 1 << 13

/** A bit of the code in an entry: one of all, and one before those that say more. */
export const CODE_BIT: u32 = 0x101
const MOST_BITS: u32 = 15
/** No table is wider. */
const REVERSED_BITS: u32 = 10

/** Fill the tables that this needs itself. */
export function prepareTables(): void {
  for (let length: usize = 0; length < 16; length++) store<u16>(ONES + (length << 5) + (length << 1), 1)
  for (let code: u32 = 0; code < 1 << REVERSED_BITS; code++) {
    store<u16>(REVERSED + (code << 1), (reverse(code, REVERSED_BITS) << 2) as u16)
  }
}

function reverse(code: u32, size: u32): u32 {
  let reversed: u32 = 0
  for (; size > 0; size--, code >>= 1) reversed = (reversed << 1) | (code & 1)
  return reversed
}

/**
 * Make the table of a code, at most `width` bits wide, and return how wide it became: 0 when the code is not complete.
 * From `used` to `usedEnd` are the symbols that have a code, in order: symbol << 4 | length of the code. `counts` says
 * how many have each length.
 */
export function makeTable(
  used: usize,
  usedEnd: usize,
  counts: usize,
  meanings: usize,
  table: usize,
  width: u32,
): u32 {
  const longest = assignCodes(counts)
  if (longest == 0) return 0
  const bits = min(width, longest)
  for (let at = table; at < table + ((4 << bits) as usize); at += 16) v128.store(at, i32x4.splat(0))
  // Each at its first place only, where all further bits are zero.
  for (let at = used; at < usedEnd; at += 2) {
    const symbol = <u32>load<u16>(at)
    const length = symbol & 15
    if (length > bits) continue
    const code = takeCode(length) >> (MOST_BITS - REVERSED_BITS)
    const entry = load<u32>(meanings + ((symbol >> 4) << 2)) + length * CODE_BIT
    store<u32>(table + <u32>load<u16>(REVERSED + (code << 1)), entry)
  }
  if (longest > bits) makeSubtables(used, usedEnd, counts, longest, meanings, table, bits)
  repeatEntries(table, 4 << bits)
  return bits
}

/** Find the first code of each length, and return the longest length: 0 when the code is not complete. */
function assignCodes(counts: usize): u32 {
  // In units of the longest possible code, of which each belongs to one symbol in the end.
  let code: u32 = 0
  let longest: u32 = 0
  for (let length: u32 = 1; length <= MOST_BITS; length++) {
    const count = <u32>load<u16>(counts + (length << 1))
    store<u16>(NEXT_CODES + (length << 1), code as u16)
    code += count << (MOST_BITS - length)
    longest = count != 0 ? length : longest
  }
  return code == 1 << MOST_BITS ? longest : 0
}

/** Take the next code of a length: its bits are the highest of 15. */
@inline
function takeCode(length: u32): u32 {
  const next = NEXT_CODES + (length << 1)
  const code = <u32>load<u16>(next)
  store<u16>(next, (code + ((1 << MOST_BITS) >> length)) as u16)
  return code
}

/** Have entries stand wherever their code is followed by other bits; `end` is the table's size in bytes. */
@inline
function repeatEntries(table: usize, end: u32): void {
  if (load<u32>(table, 4) == 0) store<u32>(table, load<u32>(table), 4)
  if (load<u32>(table, 8) == 0) store<u32>(table, load<u32>(table), 8)
  if (load<u32>(table, 12) == 0) store<u32>(table, load<u32>(table, 4), 12)
  for (let size: u32 = 16; size < end; size <<= 1) {
    for (let at = table; at < table + size; at += 16) {
      // Codes are complete: where there is none of this length there is a shorter one.
      const there = v128.load(at + size)
      const isMissing = i32x4.eq(there, i32x4.splat(0))
      v128.store(at + size, v128.or(there, v128.and(isMissing, v128.load(at))))
    }
  }
}

function makeSubtables(
  used: usize,
  usedEnd: usize,
  counts: usize,
  longest: u32,
  meanings: usize,
  table: usize,
  bits: u32,
): void {
  const mask: u32 = (1 << bits) - 1
  let prefix: u32 = 0xffffffff
  let start: u32 = 0
  let end: u32 = 1 << bits
  for (let length = bits + 1; length <= longest; length++) {
    const own = length - bits
    let left = <u32>load<u16>(counts + (length << 1))
    for (let at = used; at < usedEnd; at += 2) {
      const symbol = <u32>load<u16>(at)
      if ((symbol & 15) != length) continue
      const code = reverse(takeCode(length), MOST_BITS)
      if ((code & mask) != prefix) {
        prefix = code & mask
        // As wide as the longest code needs that begins so.
        let width = own
        let room = left
        while (room < 1 << width) {
          width++
          room = (room << 1) + <u32>load<u16>(counts + ((bits + width) << 1))
        }
        start = end
        end += 1 << width
        store<u32>(table + (prefix << 2), (start << 16) | UNUSUAL | SUBTABLE | (width << 8) | bits)
      }
      const entry = load<u32>(meanings + ((symbol >> 4) << 2)) + own * CODE_BIT
      for (let to = start + (code >> bits); to < end; to += 1 << own) store<u32>(table + (to << 2), entry)
      left--
    }
  }
}
