// The input of the decompressor, bit by bit: whole words are read ahead, and bits taken from their low end. There is
// room behind the message, so that reading beyond its end does no harm; whoever reads looks where it came to.

/** Where it goes on, what was read already, and how many bits of that were not taken. */
export let at: usize = 0
export let bits: u64 = 0
export let count: u32 = 0

/** Go on from here, with bits that were read before. */
@inline
export function setReader(from: usize, ahead: u64, left: u32): void {
  at = from
  bits = ahead
  count = left
}

/** Have 56 bits at least. */
@inline
export function refill(): void {
  // What lies above the bits that count is read again, and is the same.
  bits |= load<u64>(at) << (count as u64)
  at += ((63 - count) >> 3) as usize
  count |= 56
}

/** Take so many bits. */
@inline
export function drop(size: u32): void {
  bits >>= size as u64
  count -= size
}

/** The first byte of which no bit was taken. */
@inline
export function nextByte(): usize {
  return at - (count >> 3)
}
