// Text of a peer's as it may stand on a terminal: nothing that moves the cursor, hides or reorders what is read.

// Control and format characters (the bidirectional ones are among them), what Unicode has not assigned, surrogates
// without their halves, separators of lines, and all that is ignored when text is shown.
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Replace what cannot be seen, or does more than be seen, by escapes such as `\x1b` and `\u202e`. */
export function escapeUnprintable(text: string): string {
  return text.replace(UNPRINTABLE, escapeCharacter)
}

function escapeCharacter(character: string): string {
  const point = character.codePointAt(0)!
  if (point > 0xffff) return `\\u{${point.toString(16)}}`
  if (point > 0xff) return `\\u${point.toString(16).padStart(4, '0')}`
  return SHORT[character] ?? escapeByte(point)
}

function escapeByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Tell whether all of the bytes are UTF-8. */
export function isUtf8(bytes: Uint8Array): boolean {
  return decode(bytes) !== undefined
}

/** Show bytes as text, without quotes: what is no UTF-8 and what cannot be seen is escaped, backslashes are doubled. */
export function showText(bytes: Uint8Array): string {
  const whole = decode(bytes)
  if (whole !== undefined) return escapeText(whole)
  let text = ''
  for (let position = 0; position < bytes.length; ) {
    const size = sequenceSize(bytes[position]!)
    const character = decode(bytes.subarray(position, position + size))
    // Where a sequence is cut off, what follows it must not be swallowed.
    if (character === undefined) text += escapeByte(bytes[position++]!)
    else {
      text += escapeText(character)
      position += size
    }
  }
  return text
}

/** Put text that `showText` made into quotes, as Python's repr() does: double ones where that saves escapes. */
export function quote(text: string): string {
  if (text.includes("'") && !text.includes('"')) return `"${text}"`
  return `'${text.replaceAll("'", "\\'")}'`
}

/** Return where the last whole character ends that begins before `end`. */
export function lastCharacterEnd(bytes: Uint8Array, end: number): number {
  let start = end
  while (start > 0 && end - start < 3 && isContinuation(bytes[start - 1]!)) start--
  if (start === 0) return end
  return start - 1 + sequenceSize(bytes[start - 1]!) > end ? start - 1 : end
}

/** Return where the first character begins. */
export function firstCharacterStart(bytes: Uint8Array): number {
  let start = 0
  while (start < 3 && start < bytes.length && isContinuation(bytes[start]!)) start++
  return start
}

function escapeText(text: string): string {
  return escapeUnprintable(text.replaceAll('\\', '\\\\'))
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** How many bytes the character takes that begins with this one. */
function sequenceSize(first: number): number {
  return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80
}
