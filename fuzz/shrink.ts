// Makes a failing input as small and plain as it goes.

import { concat } from './bytes.ts'

// Enough for inputs of some KiB; above, the result is only less small.
const MOST_ATTEMPTS = 5000

/** Remove and simplify bytes as long as `fails` stays true. */
export function shrink(
  input: Uint8Array,
  fails: (candidate: Uint8Array) => boolean,
  mostAttempts: number = MOST_ATTEMPTS,
): Uint8Array {
  let smallest = input
  let attempts = 0
  const improves = (candidate: Uint8Array): boolean => {
    if (attempts >= mostAttempts) return false
    attempts++
    if (!fails(candidate)) return false
    smallest = candidate
    return true
  }

  let before: Uint8Array
  do {
    before = smallest
    for (let size = Math.max(1, smallest.length >> 1); size >= 1; size >>= 1) {
      // From the end, where nothing that follows loses its meaning.
      for (let end = smallest.length; end > 0; end -= size) {
        const from = Math.max(0, end - size)
        improves(concat([smallest.subarray(0, from), smallest.subarray(Math.min(end, smallest.length))]))
      }
    }
    for (let index = 0; index < smallest.length; index++) {
      const byte = smallest[index]!
      for (const simpler of [0, byte & 0x80, byte & 0x7f, byte >> 1, byte - 1]) {
        if (simpler < 0 || simpler >= smallest[index]!) continue
        const candidate = smallest.slice()
        candidate[index] = simpler
        if (improves(candidate)) break
      }
    }
  } while (smallest !== before && attempts < mostAttempts)
  return smallest
}
