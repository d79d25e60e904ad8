// The best prefix codes for counted symbols, as RFC 1951 wants them: lengths from Huffman's tree, bounded, and the codes
// that follow from the lengths.

import { SORTED, TREE, LENGTH_COUNTS } from './layout'

export const MOST_BITS: u32 = 15

/** Make the best codes of at most `mostBits` for counted symbols: their lengths, and code | bits << 16. */
export function makeCodes(counts: usize, size: u32, mostBits: u32, lengths: usize, codes: usize): void {
  memory.fill(lengths, 0, size)
  const used = sortUsed(counts, size)
  memory.fill(LENGTH_COUNTS, 0, 256)
  if (used == 0) return
  if (used == 1) {
    store<u32>(LENGTH_COUNTS + 4, 1)
  } else {
    countDepths(used)
    limitDepths(mostBits)
  }
  // The rarest symbols come first and get the longest codes.
  let symbol = SORTED
  for (let bits = mostBits; bits > 0; bits--) {
    for (let left = load<u32>(LENGTH_COUNTS + (bits << 2)); left > 0; left--, symbol += 4) {
      store<u8>(lengths + (load<u32>(symbol) & 511), bits as u8)
    }
  }
  assignCodes(lengths, size, codes)
}

/** Sort the symbols that are used by their counts, rarest first, and return their number. */
function sortUsed(counts: usize, size: u32): u32 {
  let used: u32 = 0
  for (let symbol: u32 = 0; symbol < size; symbol++) {
    const times = load<u32>(counts + (symbol << 2))
    if (times == 0) continue
    store<u32>(SORTED + (used << 2), (times << 9) | symbol)
    used++
  }
  // Shell's sort: a few dozen symbols, and hundreds at most.
  if (used > 60) sortSteps(used, 23)
  if (used > 20) sortSteps(used, 10)
  if (used > 8) sortSteps(used, 4)
  sortSteps(used, 1)
  return used
}

/** Sort those that are `step` places apart. */
function sortSteps(used: u32, step: u32): void {
  const gap = step << 2
  for (let index = step; index < used; index++) {
    let at: usize = SORTED + (index << 2)
    const entry = load<u32>(at)
    while (at >= SORTED + gap && load<u32>(at - gap) > entry) {
      store<u32>(at, load<u32>(at - gap))
      at -= gap
    }
    store<u32>(at, entry)
  }
}

@inline
function node(index: u32): u32 {
  return load<u32>(TREE + (index << 2))
}

@inline
function setNode(index: u32, value: u32): void {
  store<u32>(TREE + (index << 2), value)
}

/**
 * Build Huffman's tree of `used` sorted symbols, two or more, and count the leaves at each depth. In place, after
 * Moffat and Katajainen (1995): a node's weight gives way to the number of its parent, and that to its depth.
 */
function countDepths(used: u32): void {
  for (let index: u32 = 0; index < used; index++) setNode(index, load<u32>(SORTED + (index << 2)) >> 9)
  let root: u32 = 0
  let leaf: u32 = 0
  for (let next: u32 = 0; next < used - 1; next++) {
    let weight: u32 = 0
    for (let child = 0; child < 2; child++) {
      if (leaf >= used || (root < next && node(root) < node(leaf))) {
        weight += node(root)
        setNode(root++, next)
      } else {
        weight += node(leaf++)
      }
    }
    setNode(next, weight)
  }
  setNode(used - 2, 0)
  for (let next = (used as i32) - 3; next >= 0; next--) setNode(next, node(node(next)) + 1)
  let places: u32 = 1
  let depth: u32 = 0
  let inner = (used as i32) - 2
  while (places > 0) {
    let parents: u32 = 0
    for (; inner >= 0 && node(inner) == depth; inner--) parents++
    store<u32>(LENGTH_COUNTS + (depth << 2), places - parents)
    places = parents << 1
    depth++
  }
}

/** Make codes that are too long shorter, and as few others as need be longer. */
function limitDepths(mostBits: u32): void {
  const last = LENGTH_COUNTS + (mostBits << 2)
  for (let bits = mostBits + 1; bits < 64; bits++) {
    store<u32>(last, load<u32>(last) + load<u32>(LENGTH_COUNTS + (bits << 2)))
  }
  // What all codes take of the room that there is, in parts of the smallest size.
  let taken: u32 = 0
  for (let bits: u32 = 1; bits <= mostBits; bits++) {
    taken += load<u32>(LENGTH_COUNTS + (bits << 2)) << (mostBits - bits)
  }
  for (; taken > 1 << mostBits; taken--) {
    store<u32>(last, load<u32>(last) - 1)
    let shorter = last - 4
    while (load<u32>(shorter) == 0) shorter -= 4
    store<u32>(shorter, load<u32>(shorter) - 1)
    store<u32>(shorter + 4, load<u32>(shorter + 4) + 2)
  }
}

/** Give each symbol the code that follows from the lengths (RFC 1951 section 3.2.2). */
function assignCodes(lengths: usize, size: u32, codes: usize): void {
  let code: u32 = 0
  // The counts give way to the next code of each length.
  let before: u32 = 0
  for (let bits: u32 = 1; bits <= MOST_BITS; bits++) {
    const at = LENGTH_COUNTS + (bits << 2)
    const here = load<u32>(at)
    code = (code + before) << 1
    before = here
    store<u32>(at, code)
  }
  for (let symbol: u32 = 0; symbol < size; symbol++) {
    const bits = <u32>load<u8>(lengths + symbol)
    if (bits == 0) continue
    const at = LENGTH_COUNTS + (bits << 2)
    const next = load<u32>(at)
    store<u32>(at, next + 1)
    store<u32>(codes + (symbol << 2), reverse(next, bits) | (bits << 16))
  }
}

/** Codes are written from their first bit on, everything else from its last. */
export function reverse(value: u32, bits: u32): u32 {
  let reversed: u32 = 0
  for (; bits > 0; bits--, value >>= 1) reversed = (reversed << 1) | (value & 1)
  return reversed
}
