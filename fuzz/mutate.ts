// Changes that turn one input into another.

import { concat } from './bytes.ts'
import type { Random } from './random.ts'

/** The longest input that changes make. Long enough for 64-bit lengths; longer ones only slow everything down. */
export const LONGEST_INPUT: number = 80 * 1024

// Bytes at which parsers decide: lengths, first bytes of frames, ends of UTF-8 ranges, separators.
const INTERESTING = [
  0x00, 0x01, 0x02, 0x08, 0x09, 0x0a, 0x0d, 0x20, 0x22, 0x2c, 0x3b, 0x3d, 0x40, 0x5c, 0x70, 0x7d, 0x7e, 0x7f,
  0x80, 0x81, 0x82, 0x88, 0x89, 0x8a, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0xf5,
  0xfd, 0xfe, 0xff,
]

/** Change an input in one to four ways. `pool` lends parts, `dictionary` words. */
export function mutate(
  input: Uint8Array,
  random: Random,
  pool: readonly Uint8Array[],
  dictionary: readonly Uint8Array[],
): Uint8Array {
  let result = input
  for (let count = random.between(1, 4); count > 0; count--) {
    result = mutateOnce(result, random, pool, dictionary)
    if (result.length > LONGEST_INPUT) result = result.slice(0, LONGEST_INPUT)
  }
  return result
}

function mutateOnce(
  input: Uint8Array,
  random: Random,
  pool: readonly Uint8Array[],
  dictionary: readonly Uint8Array[],
): Uint8Array {
  const place = random.below(input.length + 1)
  switch (random.below(9)) {
    case 0:
      return flipBit(input, random)
    case 1:
      return overwrite(input, random, random.pick(INTERESTING))
    case 2:
      return overwrite(input, random, random.below(256))
    case 3: // truncate
      return input.slice(0, place)
    case 4: // remove
      return concat([input.subarray(0, place), input.subarray(place + random.length(64))])
    case 5: // repeat
      return concat([input.subarray(0, place + random.length(64)), input.subarray(place)])
    case 6: // splice
      if (pool.length === 0) return flipBit(input, random)
      return splice(input, place, random.pick(pool), random)
    case 7: // insert a word
      if (dictionary.length === 0) return flipBit(input, random)
      return concat([input.subarray(0, place), random.pick(dictionary), input.subarray(place)])
    default:
      return concat([input.subarray(0, place), random.bytes(random.between(1, 8)), input.subarray(place)])
  }
}

function flipBit(input: Uint8Array, random: Random): Uint8Array {
  const result = input.slice()
  if (result.length > 0) result[random.below(result.length)]! ^= 1 << random.below(8)
  return result
}

function overwrite(input: Uint8Array, random: Random, value: number): Uint8Array {
  const result = input.slice()
  if (result.length > 0) result[random.below(result.length)] = value
  return result
}

function splice(input: Uint8Array, place: number, other: Uint8Array, random: Random): Uint8Array {
  const start = random.below(other.length + 1)
  const part = other.subarray(start, random.oneIn(2) ? other.length : start + random.length(200))
  const after = random.oneIn(2) ? input.length : place
  return concat([input.subarray(0, place), part, input.subarray(after)])
}
