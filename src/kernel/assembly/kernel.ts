// The WebAssembly kernel, in AssemblyScript: the two loops that touch every byte a peer sends.
// Addresses are offsets in the imported memory, so JavaScript and WebAssembly speak of the same places.
// Built by scripts/build-kernel.mjs into ../kernel-binary.ts, which is committed; a test rebuilds and compares.

/**
 * XOR the bytes in place with the masking key, whose lowest byte belongs to the first byte.
 * Returns 0 when all of the result is ASCII.
 */
export function unmask(start: usize, end: usize, key: i32): i32 {
  const keys = i32x4.splat(key)
  let seen = i32x4.splat(0)
  let position = start
  while (position + 64 <= end) {
    const a = v128.xor(v128.load(position), keys)
    const b = v128.xor(v128.load(position, 16), keys)
    const c = v128.xor(v128.load(position, 32), keys)
    const d = v128.xor(v128.load(position, 48), keys)
    v128.store(position, a)
    v128.store(position, b, 16)
    v128.store(position, c, 32)
    v128.store(position, d, 48)
    seen = v128.or(seen, v128.or(v128.or(a, b), v128.or(c, d)))
    position += 64
  }
  while (position + 16 <= end) {
    const a = v128.xor(v128.load(position), keys)
    v128.store(position, a)
    seen = v128.or(seen, a)
    position += 16
  }
  let rest: i32 = 0
  while (position + 4 <= end) {
    const word = load<i32>(position) ^ key
    store<i32>(position, word)
    rest |= word
    position += 4
  }
  while (position < end) {
    const byte = load<u8>(position) ^ (key as u8)
    store<u8>(position, byte)
    rest |= byte as i32
    key = (key as u32 >> 8) as i32
    position += 1
  }
  return i8x16.bitmask(seen) | (rest & (0x80808080 as i32))
}

/** Returns 0 when all bytes are ASCII. */
export function nonAscii(start: usize, end: usize): i32 {
  let seen = i32x4.splat(0)
  let position = start
  while (position + 64 <= end) {
    seen = v128.or(
      seen,
      v128.or(
        v128.or(v128.load(position), v128.load(position, 16)),
        v128.or(v128.load(position, 32), v128.load(position, 48)),
      ),
    )
    position += 64
  }
  while (position + 16 <= end) {
    seen = v128.or(seen, v128.load(position))
    position += 16
  }
  let rest: i32 = 0
  while (position < end) {
    rest |= load<u8>(position) as i32
    position += 1
  }
  return i8x16.bitmask(seen) | (rest & 0x80)
}
