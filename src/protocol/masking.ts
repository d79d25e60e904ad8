// Masking of outgoing frames: where clients' keys come from and how they are applied (RFC 6455 section 5.3).

import { rotateKey, unmaskShort } from './kernel.ts'
import type { Platform } from './platform.ts'

/** Give a fresh masking key for each frame, as a 32-bit integer whose lowest byte is sent first. */
export type MaskingKeySource = () => number

// One call for randomness costs about as much as sending a small frame; 1,024 keys at a time make it vanish.
const KEYS_IN_POOL = 1024

/**
 * Make a source of masking keys. RFC 6455 section 10.3: "clients MUST choose a new masking key for each frame,
 * using an algorithm that cannot be predicted by end applications that provide data".
 */
export function createMaskingKeySource(platform: Platform): MaskingKeySource {
  const pool = new Int32Array(KEYS_IN_POOL)
  const bytes = new Uint8Array(pool.buffer)
  let next = KEYS_IN_POOL
  return () => {
    if (next === KEYS_IN_POOL) {
      platform.randomFill(bytes)
      next = 0
    }
    const key = pool[next]!
    // A key that was used must not be found in memory later.
    pool[next++] = 0
    return key
  }
}

// Below this many bytes a view of 32-bit words costs more than it saves.
const WORDS_PAY_FROM = 64

/** XOR `bytes` from `start` to `end` in place with the key. Masking twice gives the original. */
export function applyMask(bytes: Uint8Array, start: number, end: number, key: number): void {
  if (end - start < WORDS_PAY_FROM) {
    unmaskShort(bytes, start, end, key)
    return
  }
  const misaligned = (bytes.byteOffset + start) & 3
  const aligned = misaligned === 0 ? start : start + 4 - misaligned
  unmaskShort(bytes, start, aligned, key)
  const wordKey = rotateKey(key, aligned - start)
  const count = (end - aligned) >> 2
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + aligned, count)
  for (let index = 0; index < count; index++) words[index]! ^= wordKey
  unmaskShort(bytes, aligned + (count << 2), end, wordKey)
}
