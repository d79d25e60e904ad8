// Owns the characters and lists of HTTP header values: tokens, field values, quoted strings.
// Must not know any header by name. Every scan goes forward once: a hostile value costs what its length costs.
// Regular expressions are left out on purpose: backtracking in this place was CVE-2020-7662 and CVE-2021-32640.

const TAB = 0x09
const SPACE = 0x20
const QUOTE = 0x22
const BACKSLASH = 0x5c
const DELETE = 0x7f

// RFC 9110 section 5.6.2: tchar.
const TOKEN_CHARACTERS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
const isTokenCode = new Uint8Array(128)
for (let i = 0; i < TOKEN_CHARACTERS.length; i++) isTokenCode[TOKEN_CHARACTERS.charCodeAt(i)] = 1

/** Tell whether a value is a token (RFC 9110 section 5.6.2): not empty, no spaces, no separators. */
export function isToken(value: string): boolean {
  return value.length > 0 && tokenEnd(value, 0) === value.length
}

/** Tell whether a value may stand in a header: no line break, NUL or other control character except tab, nothing above U+00FF. */
export function isFieldValue(value: string): boolean {
  return fieldValueEnd(value, 0) === value.length
}

/** Tell whether all characters are visible ones of ASCII, as those of a request target are. */
export function isVisibleAscii(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if (code <= SPACE || code >= DELETE) return false
  }
  return true
}

/** Find where what may stand in a header ends: at a line break, or at a character that must not be there. */
export function fieldValueEnd(value: string, start: number): number {
  let at = start
  for (; at < value.length; at++) {
    const code = value.charCodeAt(at)
    if ((code < SPACE && code !== TAB) || code === DELETE || code > 0xff) break
  }
  return at
}

/** Split a comma list of tokens; `undefined` when it is malformed. Empty elements are skipped (RFC 9110 section 5.6.1.2), so the list may be empty. */
export function parseTokenList(value: string): string[] | undefined {
  const scanner = new HeaderScanner(value)
  const tokens: string[] = []
  do {
    const token = scanner.takeToken()
    if (token !== undefined) tokens.push(token)
  } while (scanner.takeSeparator(','))
  return scanner.done ? tokens : undefined
}

/** Tell whether a comma list names a token, whatever its case and whatever stands beside it. */
export function listHasToken(value: string, token: string): boolean {
  let start = 0
  while (start <= value.length) {
    const comma = value.indexOf(',', start)
    const end = comma === -1 ? value.length : comma
    if (equalsIgnoringCase(trimSpaces(value.slice(start, end)), token)) return true
    start = end + 1
  }
  return false
}

/** Cut spaces and tabs from both ends; `String.trim` would cut more than HTTP's optional whitespace. */
export function trimSpaces(value: string): string {
  let end = value.length
  while (end > 0 && isSpace(value.charCodeAt(end - 1))) end--
  // An end before the start gives the empty string, which is right for a value of spaces alone.
  return value.slice(skipSpaces(value, 0), end)
}

/** Take a header value apart from left to right, skipping spaces and tabs between its parts. */
export class HeaderScanner {
  readonly #value: string
  #at: number

  constructor(value: string) {
    this.#value = value
    this.#at = skipSpaces(value, 0)
  }

  /** True when nothing is left. */
  get done(): boolean {
    return this.#at >= this.#value.length
  }

  /** Take one separator such as `,`; false when something else comes next. */
  takeSeparator(separator: string): boolean {
    if (this.#value[this.#at] !== separator) return false
    this.#at = skipSpaces(this.#value, this.#at + 1)
    return true
  }

  /** Skip what comes before the next separator; everything when there is none. */
  skipTo(separator: string): void {
    const at = this.#value.indexOf(separator, this.#at)
    this.#at = at === -1 ? this.#value.length : at
  }

  /** Take a token; `undefined` when something else comes next. */
  takeToken(): string | undefined {
    const start = this.#at
    const end = tokenEnd(this.#value, start)
    if (end === start) return undefined
    this.#at = skipSpaces(this.#value, end)
    return this.#value.slice(start, end)
  }

  /** Take a quoted string and give its text without quotes and escapes; `undefined` when something else comes next or it does not end. */
  takeQuotedString(): string | undefined {
    const value = this.#value
    if (value.charCodeAt(this.#at) !== QUOTE) return undefined
    let text = ''
    let start = this.#at + 1
    for (let i = start; i < value.length; i++) {
      const code = value.charCodeAt(i)
      if (code === BACKSLASH) {
        text += value.slice(start, i)
        // The escaped character begins the next piece, and is stepped over so that it ends nothing.
        i++
        start = i
      } else if (code === QUOTE) {
        text += value.slice(start, i)
        this.#at = skipSpaces(value, i + 1)
        return text
      }
    }
    return undefined
  }
}

function isSpace(code: number): boolean {
  return code === SPACE || code === TAB
}

function skipSpaces(value: string, start: number): number {
  let at = start
  while (isSpace(value.charCodeAt(at))) at++
  return at
}

/** Find where a token ends that begins at `start`; `start` itself when none does. */
export function tokenEnd(value: string, start: number): number {
  let at = start
  while (isTokenCode[value.charCodeAt(at)] === 1) at++
  return at
}

// `toLowerCase` is wrong here: it also makes the Kelvin sign U+212A a "k".
function equalsIgnoringCase(left: string, right: string): boolean {
  if (left.length !== right.length) return false
  for (let i = 0; i < left.length; i++) {
    if (lowerCase(left.charCodeAt(i)) !== lowerCase(right.charCodeAt(i))) return false
  }
  return true
}

function lowerCase(code: number): number {
  return code >= 0x41 && code <= 0x5a ? code + 0x20 : code
}
