// How bytes are cut into chunks, the same for all targets. A plan is 16 bits of an input, so that a failing input
// says how it was cut, and shrinking makes the cuts simpler too.

import { Random } from './random.ts'

/** The plan that cuts nothing. */
export const WHOLE = 0
/** The plan that gives byte after byte. */
export const BYTE_BY_BYTE = 1

/** Cut bytes as `plan` says: 0 not at all, 1 into single bytes, even numbers evenly, odd numbers at random. */
export function cut(bytes: Uint8Array, plan: number): Uint8Array[] {
  if (plan === WHOLE) return [bytes]
  const chunks: Uint8Array[] = []
  const random = new Random(plan)
  const even = plan === BYTE_BY_BYTE ? 1 : (plan & 1) === 0 ? plan >> 1 : 0
  for (let position = 0; position < bytes.length; ) {
    const size = even > 0 ? even : randomSize(random)
    // A copy, because a chunk's memory may be used again once it was taken.
    chunks.push(bytes.slice(position, position + size))
    position += size
  }
  return chunks
}

/** Make a plan; the simple ones come up often. */
export function anyPlan(random: Random): number {
  if (random.oneIn(4)) return BYTE_BY_BYTE
  return random.oneIn(4) ? random.between(1, 70) * 2 : random.below(0x10000) | 1
}

// Headers take 2 to 14 bytes, so cuts within them must be common. Empty chunks occur too.
function randomSize(random: Random): number {
  switch (random.below(6)) {
    case 0:
      return 0
    case 1:
      return 1
    case 2:
    case 3:
      return random.between(1, 16)
    case 4:
      return random.between(1, 300)
    default:
      return random.between(1, 5000)
  }
}
