// UTF-8 as RFC 3629 section 4 writes it down, byte by byte: which second bytes may follow which first byte.
// Slow and plain on purpose: it is the yardstick for validators.

/** For a first byte that is not ASCII: how many bytes follow, and between which bounds the second one lies. */
function following(first: number): { count: number; low: number; high: number } | undefined {
  if (first >= 0xc2 && first <= 0xdf) return { count: 1, low: 0x80, high: 0xbf }
  if (first === 0xe0) return { count: 2, low: 0xa0, high: 0xbf }
  if (first === 0xed) return { count: 2, low: 0x80, high: 0x9f }
  if (first >= 0xe1 && first <= 0xef) return { count: 2, low: 0x80, high: 0xbf }
  if (first === 0xf0) return { count: 3, low: 0x90, high: 0xbf }
  if (first === 0xf4) return { count: 3, low: 0x80, high: 0x8f }
  if (first >= 0xf1 && first <= 0xf3) return { count: 3, low: 0x80, high: 0xbf }
  return undefined
}

/**
 * Find the first byte that makes valid UTF-8 impossible, whatever follows. The length of the input means that
 * each byte is possible but the last character is cut off; `undefined` means that the input is valid.
 */
export function firstInvalidByte(bytes: Uint8Array): number | undefined {
  let index = 0
  while (index < bytes.length) {
    if (bytes[index]! < 0x80) {
      index++
      continue
    }
    const rule = following(bytes[index]!)
    if (rule === undefined) return index
    for (let nth = 1; nth <= rule.count; nth++) {
      const at = index + nth
      if (at === bytes.length) return at
      const [low, high] = nth === 1 ? [rule.low, rule.high] : [0x80, 0xbf]
      if (bytes[at]! < low || bytes[at]! > high) return at
    }
    index += rule.count + 1
  }
  return undefined
}
