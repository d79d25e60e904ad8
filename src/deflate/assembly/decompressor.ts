// A DEFLATE decompressor (RFC 1951) in AssemblyScript, made for messages that are small and lie in memory as a whole.
// It does what is usual. At anything else, broken data too, it gives up, so that zlib alone judges what is valid.
// There is room behind the message and behind the output: what is read or written too far does no harm, because both
// are looked at once for each turn of the loop, and at the end.
// Built by scripts/build-kernel.mjs into ../decompressor-binary.ts, which is committed; a test rebuilds and compares.

import { at, bits, count, drop, nextByte, refill, setReader } from './bit-reader'
import { distanceBits, literalBits, readCodes, useFixedCodes } from './block-codes'
import { END_OF_BLOCK, LITERAL, SUBTABLE, UNUSUAL } from './decoding-tables'
import {
  DISTANCE_TABLE,
  LITERAL_TABLE,
  LONGEST_MESSAGE,
  MESSAGE,
  OUTPUT,
  OUTPUT_SIZE,
  SLOTS,
} from './decompressor-layout'

export { prepareCodes as prepare } from './block-codes'

export const message: usize = MESSAGE
export const longestMessage: usize = LONGEST_MESSAGE
export const output: usize = OUTPUT
export const slots: usize = SLOTS

/** How blocks begin that are not the last (RFC 1951 section 3.2.3). */
const STORED: u32 = 0b000
const FIXED_CODES: u32 = 0b010
const OWN_CODES: u32 = 0b100

let inputEnd: usize = MESSAGE
/** The output: where it goes on, and where the window before it begins. */
let out: usize = OUTPUT
let first: usize = OUTPUT

/**
 * Decompress the message of `length` bytes that lies at MESSAGE, without its tail, and return how much came out, from
 * OUTPUT on; -1 for what zlib has to look at. `slot` holds `kept` bytes of the window, whose size is `window`.
 */
export function decompress(slot: usize, window: u32, kept: u32, length: u32): i32 {
  setReader(MESSAGE, 0, 0)
  // RFC 7692 section 7.2.2: "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload".
  store<u32>(MESSAGE + length, 0xffff0000)
  inputEnd = MESSAGE + length + 4
  out = OUTPUT
  first = OUTPUT - kept
  if (kept > 0) memory.copy(first, slot, kept)
  do {
    refill()
    // The lowest bit is that of the last block.
    const header = (bits as u32) & 7
    drop(3)
    if (header == OWN_CODES) {
      if (!readCodes() || !decodeBlock()) return -1
    } else if (header == FIXED_CODES) {
      useFixedCodes()
      if (!decodeBlock()) return -1
    } else if (header != STORED || !copyStored()) {
      return -1
    }
  } while (nextByte() < inputEnd)
  // Bits that are left over belong to the next block, and would have to be kept for the next message.
  if (nextByte() != inputEnd || (count & 7) != 0) return -1
  const size = (out - OUTPUT) as u32
  const rest = min(window, kept + size)
  memory.copy(slot, out - rest, rest)
  return size as i32
}

/** Take a block without compression (RFC 1951 section 3.2.4). */
function copyStored(): bool {
  drop(count & 7)
  refill()
  const length = (bits as u32) & 0xffff
  const complement = ((bits >> 16) as u32) & 0xffff
  if ((length ^ complement) != 0xffff) return false
  drop(32)
  const from = nextByte()
  if (from + length > inputEnd || out + length > OUTPUT + OUTPUT_SIZE) return false
  memory.copy(out, from, length)
  out += length
  setReader(from + length, 0, 0)
  return true
}

// --- symbols ---

/** Decode literals and matches to the end of the block. Return false when something is out of the ordinary. */
function decodeBlock(): bool {
  // Locals are faster than what is shared. Two bits too many are kept, as block-codes.ts says.
  let from = at
  let ahead = bits << 2
  let left = count + 2
  let to = out
  const literalMask: u32 = (4 << literalBits) - 4
  const distanceMask: u32 = (4 << distanceBits) - 4
  const start = first
  // A word is read ahead.
  const fromEnd = inputEnd + 8
  const toEnd: usize = OUTPUT + OUTPUT_SIZE
  while (from <= fromEnd && to <= toEnd) {
    ahead |= load<u64>(from) << (left as u64)
    from += (((63 - left) >> 3) & 7) as usize
    left |= 56
    // Three literals take 32 bits at most, and shifting so many is faster.
    let near = ahead as u32
    let entry = load<u32>(near & literalMask, LITERAL_TABLE)
    if ((entry & LITERAL) != 0) {
      store<u8>(to++, (entry >> 16) as u8)
      let taken = entry
      near >>= entry
      entry = load<u32>(near & literalMask, LITERAL_TABLE)
      if ((entry & LITERAL) != 0) {
        store<u8>(to++, (entry >> 16) as u8)
        taken += entry
        near >>= entry
        entry = load<u32>(near & literalMask, LITERAL_TABLE)
        if ((entry & LITERAL) != 0) {
          store<u8>(to++, (entry >> 16) as u8)
          taken += entry
          ahead >>= taken as u64
          left -= taken
          // For two more, enough is left without another look at the input.
          near = ahead as u32
          entry = load<u32>(near & literalMask, LITERAL_TABLE)
          if ((entry & LITERAL) == 0) continue
          store<u8>(to++, (entry >> 16) as u8)
          taken = entry
          near >>= entry
          entry = load<u32>(near & literalMask, LITERAL_TABLE)
          if ((entry & LITERAL) != 0) {
            store<u8>(to++, (entry >> 16) as u8)
            taken += entry
          }
          ahead >>= taken as u64
          left -= taken
          continue
        }
      }
      ahead >>= taken as u64
      left -= taken
    }
    if ((entry & UNUSUAL) != 0) {
      if ((entry & SUBTABLE) != 0) {
        ahead >>= entry as u64
        left -= entry
        const mask: u32 = (4 << ((entry >> 8) & 15)) - 4
        entry = load<u32>(((entry >> 16) << 2) + ((ahead as u32) & mask), LITERAL_TABLE)
        if ((entry & LITERAL) != 0) {
          ahead >>= entry as u64
          left -= entry
          store<u8>(to++, (entry >> 16) as u8)
          continue
        }
      }
      if ((entry & END_OF_BLOCK) != 0) {
        ahead >>= entry as u64
        left -= entry
        setReader(from, ahead >> 2, (left & 63) - 2)
        out = to
        return to <= toEnd
      }
      if ((entry & UNUSUAL) != 0) return false
    }
    // The code's bits are the lower ones, and those that say more stand above them.
    const length =
      (entry >> 16) + (((ahead as u32) & ((4 << (entry & 63)) - 1)) >> ((entry >> 8) & 31))
    ahead >>= entry as u64
    left -= entry
    ahead |= load<u64>(from) << (left as u64)
    from += (((63 - left) >> 3) & 7) as usize
    left |= 56
    entry = load<u32>((ahead as u32) & distanceMask, DISTANCE_TABLE)
    if ((entry & UNUSUAL) != 0) {
      if ((entry & SUBTABLE) == 0) return false
      ahead >>= entry as u64
      left -= entry
      const mask: u32 = (4 << ((entry >> 8) & 15)) - 4
      entry = load<u32>(((entry >> 16) << 2) + ((ahead as u32) & mask), DISTANCE_TABLE)
      if ((entry & UNUSUAL) != 0) return false
    }
    const distance =
      (entry >> 16) + (((ahead as u32) & ((4 << (entry & 63)) - 1)) >> ((entry >> 8) & 31))
    ahead >>= entry as u64
    left -= entry
    if (to - start < distance) return false
    copyMatch(to, distance, length)
    to += length
  }
  return false
}

/** Repeat what was there before; what is written too far is written over later. */
@inline
function copyMatch(to: usize, distance: u32, length: u32): void {
  const end = to + length
  let source = to - distance
  if (distance >= 16) {
    v128.store(to, v128.load(source))
    v128.store(to, v128.load(source, 16), 16)
    if (length > 32) {
      do {
        to += 16
        source += 16
        v128.store(to, v128.load(source, 16), 16)
      } while (to + 16 < end)
    }
    return
  }
  if (distance < 8) {
    // What repeats so soon repeats after each multiple of it, too.
    let far = distance
    do far += distance
    while (far < 8)
    const next = source + far
    do store<u8>(to++, load<u8>(source++))
    while (to < next)
    source = to - far
  }
  while (to < end) {
    store<u64>(to, load<u64>(source))
    to += 8
    source += 8
  }
}
