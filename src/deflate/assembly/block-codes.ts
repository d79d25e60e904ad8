// The codes of a block for the decompressor: read from the block (RFC 1951 section 3.2.7), or fixed (section 3.2.6),
// and made into tables.

import { at, bits, count, drop, refill, setReader } from './bit-reader'
import { CODE_BIT, END_OF_BLOCK, LITERAL, makeTable, prepareTables, UNUSUAL } from './decoding-tables'
import {
  COUNTS,
  DISTANCE_COUNTS,
  DISTANCE_MEANINGS,
  DISTANCE_TABLE,
  FIXED_DISTANCES,
  FIXED_LITERALS,
  LITERAL_MEANINGS,
  LITERAL_TABLE,
  ONES,
  RUN_LENGTHS,
  RUN_MEANINGS,
  RUN_TABLE,
  USED,
} from './decompressor-layout'

/** How wide tables may become. A message of 1 KB uses 8 or 9 bits of the first, and 5 or 6 of the second. */
const LITERAL_BITS: u32 = 10
const DISTANCE_BITS: u32 = 8
const RUN_BITS: u32 = 7
const FIXED_LITERAL_BITS: u32 = 9
const FIXED_DISTANCE_BITS: u32 = 5

const END_SYMBOL: u32 = 256

// The loops that look into tables keep two bits too many at the low end of what they read: together with those that
// follow they are the place of an entry, which has four bytes, without another shift. So what a symbol says besides its
// code begins two bits later.
const SPENT: u32 = 2 << 8

/** How wide the tables are, and whether they are those of the fixed codes. */
export let literalBits: u32 = 0
export let distanceBits: u32 = 0
let isFixed: bool = false

/** Where the distances begin among the symbols that have a code, and where they end. */
let usedDistances: usize = USED
let usedEnd: usize = USED

/** Fill the tables that never change. */
export function prepareCodes(): void {
  prepareTables()
  for (let literal: u32 = 0; literal < 256; literal++) {
    store<u32>(LITERAL_MEANINGS + (literal << 2), LITERAL | (literal << 16))
  }
  store<u32>(LITERAL_MEANINGS + (256 << 2), UNUSUAL | END_OF_BLOCK)
  let length: u32 = 3
  for (let symbol: u32 = 0; symbol < 31; symbol++) {
    const extra: u32 = symbol < 8 || symbol == 28 ? 0 : (symbol - 4) >> 2
    if (symbol == 28) length = 258
    // The last two have codes, and stand for nothing.
    const meaning = symbol < 29 ? (length << 16) | SPENT | extra : UNUSUAL
    store<u32>(LITERAL_MEANINGS + ((257 + symbol) << 2), meaning)
    length += 1 << extra
  }
  let distance: u32 = 1
  for (let symbol: u32 = 0; symbol < 32; symbol++) {
    const extra: u32 = symbol < 4 ? 0 : (symbol >> 1) - 1
    const meaning = symbol < 30 ? (distance << 16) | SPENT | extra : UNUSUAL
    store<u32>(DISTANCE_MEANINGS + (symbol << 2), meaning)
    distance += 1 << extra
  }
  // How often, from bit 16 on, and which length, from bit 24 on.
  for (let length: u32 = 0; length < 16; length++) {
    store<u32>(RUN_MEANINGS + (length << 2), (length << 24) | (1 << 16) | SPENT)
  }
  store<u32>(RUN_MEANINGS + (16 << 2), UNUSUAL | (3 << 16) | SPENT | 2)
  store<u32>(RUN_MEANINGS + (17 << 2), (3 << 16) | SPENT | 3)
  store<u32>(RUN_MEANINGS + (18 << 2), (11 << 16) | SPENT | 7)
  prepareFixedCodes()
}

/** RFC 1951 section 3.2.6. */
function prepareFixedCodes(): void {
  memory.fill(COUNTS, 0, 32)
  for (let symbol: u32 = 0; symbol < 288; symbol++) {
    useSymbol(symbol, symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8)
  }
  makeTable(USED, USED + 576, COUNTS, LITERAL_MEANINGS, FIXED_LITERALS, FIXED_LITERAL_BITS)
  memory.fill(COUNTS, 0, 32)
  for (let symbol: u32 = 0; symbol < 32; symbol++) useSymbol(symbol, 5)
  makeTable(USED, USED + 64, COUNTS, DISTANCE_MEANINGS, FIXED_DISTANCES, FIXED_DISTANCE_BITS)
}

function useSymbol(symbol: u32, length: u32): void {
  store<u16>(USED + (symbol << 1), ((symbol << 4) | length) as u16)
  const count = COUNTS + (length << 1)
  store<u16>(count, load<u16>(count) + 1)
}

/** Take the fixed codes for a block. */
export function useFixedCodes(): void {
  if (isFixed) return
  isFixed = true
  memory.copy(LITERAL_TABLE, FIXED_LITERALS, 4 << FIXED_LITERAL_BITS)
  memory.copy(DISTANCE_TABLE, FIXED_DISTANCES, 4 << FIXED_DISTANCE_BITS)
  literalBits = FIXED_LITERAL_BITS
  distanceBits = FIXED_DISTANCE_BITS
}

/** The order in which the lengths of the codes for lengths come: 16, 17, 18, 0, 8, 7, 9 … */
@inline
function runOrder(index: u32): u32 {
  const part: u64 = index < 8 ? 0x0609070800121110 : index < 16 ? 0x020d030c040b050a : 0x0f010e
  return ((part >> (((index & 7) << 3) as u64)) & 0xff) as u32
}

/** Read the codes of a block (RFC 1951 section 3.2.7) and make its tables. Return false when they are not valid. */
export function readCodes(): bool {
  isFixed = false
  const literalCount: u32 = 257 + ((bits as u32) & 31)
  const distanceCount: u32 = 1 + (((bits >> 5) as u32) & 31)
  const shown: u32 = 4 + (((bits >> 10) as u32) & 15)
  if (literalCount > 286 || distanceCount > 30) return false
  drop(14)
  const runBits = readRunTable(shown)
  if (runBits == 0 || !readLengths(literalCount, literalCount + distanceCount, runBits)) return false
  // The codes for lengths of matches stand behind that for the end of the block, which must be there.
  let end = usedDistances - 2
  while (end > USED && <u32>load<u16>(end) > ((END_SYMBOL << 4) | 15)) end -= 2
  if (<u32>load<u16>(end) >> 4 != END_SYMBOL) return false
  literalBits = makeTable(USED, usedDistances, COUNTS, LITERAL_MEANINGS, LITERAL_TABLE, LITERAL_BITS)
  return literalBits != 0 && makeDistanceTable()
}

/** Read the code for lengths, make its table, and return how wide that is; 0 when it is not valid. */
function readRunTable(shown: u32): u32 {
  refill()
  store<u64>(RUN_LENGTHS, 0)
  store<u64>(RUN_LENGTHS + 8, 0)
  store<u64>(RUN_LENGTHS + 16, 0)
  for (let index: u32 = 0; index < shown; index++) {
    // 16 times three bits are 48.
    if (index == 16) refill()
    store<u8>(RUN_LENGTHS + runOrder(index), ((bits as u32) & 7) as u8)
    drop(3)
  }
  let used: usize = USED
  let counts = i16x8.splat(0)
  for (let symbol: u32 = 0; symbol < 19; symbol++) {
    const length = <u32>load<u8>(RUN_LENGTHS + symbol)
    store<u16>(used, ((symbol << 4) | length) as u16)
    used += length != 0 ? 2 : 0
    counts = i16x8.add(counts, v128.load(ONES + (length << 5)))
  }
  v128.store(COUNTS, counts)
  v128.store(COUNTS, i16x8.splat(0), 16)
  return makeTable(USED, used, COUNTS, RUN_MEANINGS, RUN_TABLE, RUN_BITS)
}

function makeDistanceTable(): bool {
  if (usedEnd - usedDistances > 2) {
    distanceBits = makeTable(
      usedDistances,
      usedEnd,
      DISTANCE_COUNTS,
      DISTANCE_MEANINGS,
      DISTANCE_TABLE,
      DISTANCE_BITS,
    )
    return distanceBits != 0
  }
  // RFC 1951 section 3.2.7: "One distance code of zero bits means that there are no distance codes used at all". If
  // there is one, it has one bit.
  distanceBits = 1
  store<u32>(DISTANCE_TABLE, UNUSUAL)
  store<u32>(DISTANCE_TABLE + 4, UNUSUAL)
  if (usedEnd == usedDistances) return true
  const symbol = <u32>load<u16>(usedDistances)
  store<u32>(DISTANCE_TABLE, load<u32>(DISTANCE_MEANINGS + ((symbol >> 4) << 2)) + CODE_BIT)
  return (symbol & 15) == 1
}

/** Read the lengths of all codes, note which symbols have one, and count each length. */
function readLengths(literalCount: u32, total: u32, runBits: u32): bool {
  // Locals are faster than what is shared.
  let from = at
  let ahead = bits << 2
  let left = count + 2
  const mask: u32 = (4 << runBits) - 4
  let used: usize = USED
  // In registers: through memory, each addition would wait for the one before.
  let shorter = i16x8.splat(0)
  let longer = i16x8.splat(0)
  let index: u32 = 0
  let length: u32 = 0
  /** How often the length comes once more. It may begin with literals and end with distances. */
  let repeats: u32 = 0
  /** Where the literals or distances begin, and end. */
  let base: u32 = 0
  let limit = literalCount
  while (true) {
    if (index >= limit) {
      if (limit == total) break
      v128.store(COUNTS, shorter)
      v128.store(COUNTS, longer, 16)
      shorter = i16x8.splat(0)
      longer = i16x8.splat(0)
      usedDistances = used
      base = literalCount
      limit = total
      continue
    }
    if (repeats > 0) {
      repeats--
      store<u16>(used, (((index - base) << 4) | length) as u16)
      used += 2
      index++
      shorter = i16x8.add(shorter, v128.load(ONES + (length << 5)))
      longer = i16x8.add(longer, v128.load(ONES + (length << 5), 16))
      continue
    }
    ahead |= load<u64>(from) << (left as u64)
    from += (((63 - left) >> 3) & 7) as usize
    left |= 56
    const entry = load<u32>((ahead as u32) & mask, RUN_TABLE)
    const repeat =
      ((entry >> 16) & 15) + (((ahead as u32) & ((4 << (entry & 63)) - 1)) >> ((entry >> 8) & 31))
    ahead >>= entry as u64
    left -= entry
    if ((entry & UNUSUAL) == 0) {
      // Zeros come in runs, and leave no trace but in the index.
      length = entry >> 24
      store<u16>(used, (((index - base) << 4) | length) as u16)
      used += length != 0 ? 2 : 0
      index += repeat
      shorter = i16x8.add(shorter, v128.load(ONES + (length << 5)))
      longer = i16x8.add(longer, v128.load(ONES + (length << 5), 16))
    } else {
      // The length before, some times more.
      if (index == 0) return false
      if (length == 0) index += repeat
      else repeats = repeat
    }
  }
  v128.store(DISTANCE_COUNTS, shorter)
  v128.store(DISTANCE_COUNTS, longer, 16)
  usedEnd = used
  setReader(from, ahead >> 2, (left & 63) - 2)
  return index == total && repeats == 0
}
