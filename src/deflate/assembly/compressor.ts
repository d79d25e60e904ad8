// A DEFLATE compressor (RFC 1951) in AssemblyScript, made for messages: little to set up, one look at each place for a
// match, and the fixed codes unless a message is long enough to pay for codes of its own.
// Built by scripts/build-kernel.mjs into ../compressor-binary.ts, which is committed; a test rebuilds and compares.

import { makeCodes, MOST_BITS, reverse } from './codes'
import {
  CODE_LENGTHS,
  DISTANCE_CODES,
  DISTANCE_COUNTS,
  DISTANCE_SYMBOLS,
  FIXED_DISTANCES,
  FIXED_LENGTHS,
  FIXED_LITERALS,
  LENGTH_BASES,
  LENGTH_SYMBOLS,
  LITERAL_CODES,
  LITERAL_COUNTS,
  MESSAGE,
  OUTPUT,
  RUNS,
  RUN_CODES,
  RUN_COUNTS,
  RUN_LENGTHS,
  SLOTS,
  TABLE_SIZE,
  TOKENS,
} from './layout'

export const message: usize = MESSAGE
export const longestMessage: usize = 32768
export const output: usize = OUTPUT
export const slots: usize = SLOTS
export const tableSize: usize = TABLE_SIZE

const HASH_FACTOR: u32 = 2654435761
const LONGEST_MATCH: u32 = 258
/** What is left of a product are the 12 bits of an entry's number. */
const HASH_SHIFT: u32 = 20
const MOST_RUN_BITS: u32 = 7
const END_OF_BLOCK: u32 = 256
const LITERALS: u32 = 286
const DISTANCES: u32 = 30

/** The output: where it goes on, and bits that are no whole byte yet. */
let out: usize = OUTPUT
let pending: u64 = 0
let pendingBits: u32 = 0

/** Fill the tables that never change. */
export function prepare(): void {
  for (let literal: u32 = 0; literal < 256; literal++) {
    // RFC 1951 section 3.2.6.
    const code = literal < 144 ? reverse(0x30 + literal, 8) : reverse(0x190 - 144 + literal, 9)
    store<u32>(FIXED_LITERALS + (literal << 2), code | ((literal < 144 ? 8 : 9) << 16))
  }
  let length: u32 = 3
  for (let symbol: u32 = 0; symbol < 29; symbol++) {
    // The last symbol stands for 258 alone, although the one before it could say that too.
    const extra: u32 = symbol < 8 || symbol == 28 ? 0 : (symbol - 4) >> 2
    if (symbol == 28) length = LONGEST_MATCH
    store<u32>(LENGTH_BASES + (symbol << 2), length | (extra << 16))
    const bits: u32 = symbol < 23 ? 7 : 8
    const code = symbol < 23 ? reverse(symbol + 1, 7) : reverse(0xc0 - 23 + symbol, 8)
    for (let value: u32 = 0; value < 1 << extra && length <= LONGEST_MATCH; value++, length++) {
      store<u32>(FIXED_LENGTHS + (length << 2), code | (value << bits) | ((bits + extra) << 24))
      store<u8>(LENGTH_SYMBOLS - 3 + length, symbol as u8)
    }
  }
  let distance: u32 = 1
  for (let symbol: u32 = 0; symbol < DISTANCES; symbol++) {
    const extra: u32 = symbol < 4 ? 0 : (symbol >> 1) - 1
    store<u32>(FIXED_DISTANCES + (symbol << 2), reverse(symbol, 5) | (extra << 8) | (distance << 16))
    for (let value: u32 = 0; value < 1 << extra; value++, distance++) {
      const place = distance - 1
      if (place < 256) store<u8>(DISTANCE_SYMBOLS + place, symbol as u8)
      else store<u8>(DISTANCE_SYMBOLS + 256 + (place >> 7), symbol as u8)
    }
  }
}

/**
 * Compress the message of `size` bytes that lies at MESSAGE into one block with an empty one behind it, and return the
 * address of the output's end. `slot` holds the table of places and `kept` bytes of the window behind it, whose size is
 * `window`; `position` counts all bytes of the connection, in 16 bits. From `ownCodesFrom` bytes on the block has codes
 * of its own.
 */
export function compress(
  slot: usize,
  window: u32,
  kept: u32,
  position: u32,
  size: u32,
  ownCodesFrom: u32,
): usize {
  const history = slot + TABLE_SIZE
  const first = MESSAGE - kept
  const end = MESSAGE + size
  if (kept > 0) memory.copy(first, history, kept)
  out = OUTPUT
  pending = 0
  pendingBits = 0
  if (size < ownCodesFrom) writeWithFixedCodes(slot, window, first, end, position)
  else writeWithOwnCodes(slot, window, first, end, position)
  // RFC 7692 section 7.2.1: an empty block without compression, whose last four bytes are not sent.
  put(0, 3)
  flush()
  if (pendingBits > 0) out++
  store<u32>(out, 0xffff0000)
  out += 4
  const rest = min(window, kept + size)
  memory.copy(history, end - rest, rest)
  return out
}

// --- matches ---

/** Where the same four bytes were last, or 0 when that is not known or too far. Notes the place. */
@inline
function findMatch(slot: usize, at: usize, value: u32, place: u32, first: usize, window: u32): usize {
  const entry = slot + (((value * HASH_FACTOR) >> HASH_SHIFT) << 1)
  // Entries are overwritten and count in 16 bits, so whatever stands there is only a proposal.
  const distance = (place - <u32>load<u16>(entry)) & 0xffff
  store<u16>(entry, place as u16)
  const candidate = at - distance
  return distance - 1 < window && candidate >= first && load<u32>(candidate) == value ? candidate : 0
}

/** How many bytes are the same: four at least, which is known. */
@inline
function measureMatch(at: usize, candidate: usize, end: usize): u32 {
  const most = min(LONGEST_MATCH, (end - at) as u32)
  let length: u32 = 4
  while (length + 8 <= most) {
    const difference = load<u64>(at + length) ^ load<u64>(candidate + length)
    if (difference != 0) return length + ((ctz(difference) >> 3) as u32)
    length += 8
  }
  while (length < most && load<u8>(at + length) == load<u8>(candidate + length)) length++
  return length
}

/** Note two places within a match: its second byte, and its last. */
@inline
function notePlaces(slot: usize, at: usize, length: u32, place: u32): void {
  notePlace(slot, at + 1, place + 1)
  notePlace(slot, at + length - 1, place + length - 1)
}

@inline
function notePlace(slot: usize, at: usize, place: u32): void {
  store<u16>(slot + (((load<u32>(at) * HASH_FACTOR) >> HASH_SHIFT) << 1), place as u16)
}

@inline
function distanceSymbol(distance: u32): u32 {
  const place = distance - 1
  return load<u8>(place < 256 ? DISTANCE_SYMBOLS + place : DISTANCE_SYMBOLS + 256 + (place >> 7))
}

// --- a block with the fixed codes: written while it is looked through ---

function writeWithFixedCodes(slot: usize, window: u32, first: usize, end: usize, position: u32): void {
  // Locals are faster than what is shared.
  let to = out
  let bits: u64 = 0b010
  let count: u64 = 3
  let at = MESSAGE
  const difference = position - (MESSAGE as u32)
  while (at + 4 <= end) {
    const value = load<u32>(at)
    const place = (at as u32) + difference
    const candidate = findMatch(slot, at, value, place, first, window)
    if (candidate == 0) {
      const code = load<u32>(FIXED_LITERALS + ((value & 0xff) << 2))
      bits |= ((code & 0xffff) as u64) << count
      count += (code >> 16) as u64
      at++
      // A match takes 31 bits at most.
      if (count <= 32) continue
    } else {
      const length = measureMatch(at, candidate, end)
      const code = load<u32>(FIXED_LENGTHS + (length << 2))
      bits |= ((code & 0xffffff) as u64) << count
      count += (code >> 24) as u64
      const distance = (at - candidate) as u32
      const symbol = load<u32>(FIXED_DISTANCES + (distanceSymbol(distance) << 2))
      bits |= (((symbol & 0x1f) | ((distance - (symbol >> 16)) << 5)) as u64) << count
      count += 5 + ((symbol >> 8) & 0xff)
      notePlaces(slot, at, length, place)
      at += length as usize
    }
    store<u64>(to, bits)
    to += (count >> 3) as usize
    bits >>= count & 56
    count &= 7
  }
  while (at < end) {
    const code = load<u32>(FIXED_LITERALS + ((<u32>load<u8>(at)) << 2))
    bits |= ((code & 0xffff) as u64) << count
    count += (code >> 16) as u64
    at++
  }
  out = to
  pending = bits
  pendingBits = count as u32
  flush()
  // The end of the block: seven bits that are zero.
  put(0, 7)
}

// --- a block with codes of its own: looked through first, then written ---

function writeWithOwnCodes(slot: usize, window: u32, first: usize, end: usize, position: u32): void {
  memory.fill(LITERAL_COUNTS, 0, CODE_LENGTHS - LITERAL_COUNTS)
  const tokens = findTokens(slot, window, first, end, position)
  count(LITERAL_COUNTS, END_OF_BLOCK)
  makeCodes(LITERAL_COUNTS, LITERALS, MOST_BITS, CODE_LENGTHS, LITERAL_CODES)
  const literals = usedSymbols(CODE_LENGTHS, LITERALS, 257)
  makeCodes(DISTANCE_COUNTS, DISTANCES, MOST_BITS, CODE_LENGTHS + literals, DISTANCE_CODES)
  const distances = usedSymbols(CODE_LENGTHS + literals, DISTANCES, 1)
  put(0b100, 3)
  writeCodeLengths(literals, distances)
  writeTokens(tokens)
  writeCode(LITERAL_CODES, END_OF_BLOCK)
}

/** Look through the message, and return the end of the tokens. */
function findTokens(slot: usize, window: u32, first: usize, end: usize, position: u32): usize {
  let token = TOKENS
  let at = MESSAGE
  const difference = position - (MESSAGE as u32)
  while (at + 4 <= end) {
    const value = load<u32>(at)
    const place = (at as u32) + difference
    const candidate = findMatch(slot, at, value, place, first, window)
    if (candidate == 0) {
      store<u32>(token, value & 0xff)
      count(LITERAL_COUNTS, value & 0xff)
      at++
    } else {
      const length = measureMatch(at, candidate, end)
      const distance = (at - candidate) as u32
      store<u32>(token, (1 << 31) | (length << 16) | distance)
      count(LITERAL_COUNTS, 257 + <u32>load<u8>(LENGTH_SYMBOLS - 3 + length))
      count(DISTANCE_COUNTS, distanceSymbol(distance))
      notePlaces(slot, at, length, place)
      at += length as usize
    }
    token += 4
  }
  for (; at < end; at++, token += 4) {
    const literal = <u32>load<u8>(at)
    store<u32>(token, literal)
    count(LITERAL_COUNTS, literal)
  }
  return token
}

@inline
function count(counts: usize, symbol: u32): void {
  const at = counts + (symbol << 2)
  store<u32>(at, load<u32>(at) + 1)
}

/** Write the tokens with the codes of the block. */
function writeTokens(tokens: usize): void {
  // Locals are faster than what is shared.
  let to = out
  let bits = pending
  let count = pendingBits as u64
  for (let at = TOKENS; at < tokens; at += 4) {
    const token = load<u32>(at)
    if (token < 256) {
      const code = load<u32>(LITERAL_CODES + (token << 2))
      bits |= ((code & 0xffff) as u64) << count
      count += (code >> 16) as u64
      // A match takes 48 bits at most, and is written in two parts.
      if (count <= 32) continue
    } else {
      const length = (token >> 16) & 0x7fff
      const symbol = <u32>load<u8>(LENGTH_SYMBOLS - 3 + length)
      const code = load<u32>(LITERAL_CODES + ((257 + symbol) << 2))
      bits |= ((code & 0xffff) as u64) << count
      count += (code >> 16) as u64
      const base = load<u32>(LENGTH_BASES + (symbol << 2))
      bits |= ((length - (base & 0xffff)) as u64) << count
      count += (base >> 16) as u64
      store<u64>(to, bits)
      to += (count >> 3) as usize
      bits >>= count & 56
      count &= 7
      const distance = token & 0xffff
      const far = distanceSymbol(distance)
      const farCode = load<u32>(DISTANCE_CODES + (far << 2))
      bits |= ((farCode & 0xffff) as u64) << count
      count += (farCode >> 16) as u64
      const start = load<u32>(FIXED_DISTANCES + (far << 2))
      bits |= ((distance - (start >> 16)) as u64) << count
      count += ((start >> 8) & 0xff) as u64
    }
    store<u64>(to, bits)
    to += (count >> 3) as usize
    bits >>= count & 56
    count &= 7
  }
  out = to
  pending = bits
  pendingBits = count as u32
  flush()
}

/** Say which codes the block has (RFC 1951 section 3.2.7). */
function writeCodeLengths(literals: u32, distances: u32): void {
  const runs = findRuns(literals + distances)
  makeCodes(RUN_COUNTS, 19, MOST_RUN_BITS, RUN_LENGTHS, RUN_CODES)
  let shown: u32 = 19
  while (shown > 4 && load<u8>(RUN_LENGTHS + runOrder(shown - 1)) == 0) shown--
  put(literals - 257, 5)
  put(distances - 1, 5)
  put(shown - 4, 4)
  for (let index: u32 = 0; index < shown; index++) put(load<u8>(RUN_LENGTHS + runOrder(index)), 3)
  for (let run = RUNS; run < runs; run += 2) {
    const symbol = <u32>load<u8>(run)
    writeCode(RUN_CODES, symbol)
    if (symbol >= 16) put(load<u8>(run + 1), symbol == 16 ? 2 : symbol == 17 ? 3 : 7)
  }
}

/** Put equal lengths together, and return the end of the runs. */
function findRuns(size: u32): usize {
  let run = RUNS
  let at: u32 = 0
  while (at < size) {
    const length = <u32>load<u8>(CODE_LENGTHS + at)
    let same: u32 = 1
    while (at + same < size && <u32>load<u8>(CODE_LENGTHS + at + same) == length) same++
    at += same
    if (length != 0) {
      run = storeRun(run, length, 0)
      same--
      for (; same >= 3; ) {
        const part = min(same, 6)
        run = storeRun(run, 16, part - 3)
        same -= part
      }
    } else {
      for (; same >= 3; ) {
        const part = min(same, 138)
        run = part < 11 ? storeRun(run, 17, part - 3) : storeRun(run, 18, part - 11)
        same -= part
      }
    }
    for (; same > 0; same--) run = storeRun(run, length, 0)
  }
  return run
}

function storeRun(run: usize, symbol: u32, extra: u32): usize {
  store<u8>(run, symbol as u8)
  store<u8>(run + 1, extra as u8)
  count(RUN_COUNTS, symbol)
  return run + 2
}

/** The order in which the lengths of the codes for lengths are written: 16, 17, 18, 0, 8, 7, 9 … */
@inline
function runOrder(index: u32): u32 {
  const part: u64 = index < 8 ? 0x0609070800121110 : index < 16 ? 0x020d030c040b050a : 0x0f010e
  return ((part >> (((index & 7) << 3) as u64)) & 0xff) as u32
}

/** How many of the lengths have to be written. */
function usedSymbols(lengths: usize, size: u32, least: u32): u32 {
  while (size > least && load<u8>(lengths + size - 1) == 0) size--
  return size
}

// --- bits ---

@inline
function put(value: u32, bits: u32): void {
  pending |= (value as u64) << (pendingBits as u64)
  pendingBits += bits
  if (pendingBits >= 32) flush()
}

@inline
function writeCode(codes: usize, symbol: u32): void {
  const code = load<u32>(codes + (symbol << 2))
  put(code & 0xffff, code >> 16)
}

/** Write the whole bytes. */
@inline
function flush(): void {
  store<u64>(out, pending)
  out += (pendingBits >> 3) as usize
  pending >>= (pendingBits & 56) as u64
  pendingBits &= 7
}
