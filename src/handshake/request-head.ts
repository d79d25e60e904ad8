// Reads the head of a handshake's request where it is as plain as clients write it. Whatever is not (another method, a
// header twice, a folded line, a body, a character that does not belong there) is left to a whole HTTP parser, which
// knows what to make of it. So this must never take what such a parser would refuse, or read it otherwise.
// Every scan goes forward once.

import { isFieldValue, isToken, listHasToken, trimSpaces } from './header-grammar.ts'
import type { RequestHead } from './http1.ts'

/** Hold a head and how long it was. */
export interface PlainRequestHead extends RequestHead {
  readonly headers: Readonly<Record<string, string>>
  /** Characters of the text, with the empty line. */
  readonly length: number
}

const LINE_END = '\r\n'
const METHOD = 'GET '
const VERSION = ' HTTP/1.1'
const SLASH = 0x2f

/** Headers that a server has to act on before the handshake, and the one that Node gives as an array. */
const LOADED: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'expect', 'set-cookie'])

/**
 * Read the head that a text begins with, in Latin-1. `undefined` when it is not all there, has more than `maxHeaders`
 * lines, or is not as plain as a handshake's should be.
 */
export function readRequestHead(text: string, maxHeaders: number): PlainRequestHead | undefined {
  if (!text.startsWith(METHOD)) return undefined
  const firstEnd = text.indexOf(LINE_END)
  const targetEnd = firstEnd - VERSION.length
  if (targetEnd <= METHOD.length || !text.startsWith(VERSION, targetEnd)) return undefined
  const target = text.slice(METHOD.length, targetEnd)
  if (target.charCodeAt(0) !== SLASH || !isPlainTarget(target)) return undefined

  const headers: Record<string, string> = {}
  let at = firstEnd + LINE_END.length
  for (let count = 0; ; count++) {
    const lineEnd = text.indexOf(LINE_END, at)
    if (lineEnd === at) break
    const colon = text.indexOf(':', at)
    if (lineEnd === -1 || colon === -1 || colon > lineEnd || count === maxHeaders) return undefined
    const given = text.slice(at, colon)
    const spaced = text.slice(colon + 1, lineEnd)
    const value = trimSpaces(spaced)
    if (!isToken(given) || !isFieldValue(value)) return undefined
    const name = given.toLowerCase()
    // Also the names of what every object has, such as `constructor`.
    if (name in headers || LOADED.has(name)) return undefined
    // For the parser of Node 20 a tab behind "upgrade" belongs to the token, which is then another one.
    if (name === 'connection' && spaced.includes('\t')) return undefined
    headers[name] = value
    at = lineEnd + LINE_END.length
  }
  const { host, upgrade = '', connection = '' } = headers
  if (host === undefined || !listHasToken(upgrade, 'websocket') || !listHasToken(connection, 'upgrade')) {
    return undefined
  }
  return { method: 'GET', httpVersion: '1.1', target, headers, length: at + LINE_END.length }
}

/** Tell whether all characters of a target are visible ones of ASCII. */
function isPlainTarget(target: string): boolean {
  for (let index = 0; index < target.length; index++) {
    const code = target.charCodeAt(index)
    if (code <= 0x20 || code >= 0x7f) return false
  }
  return true
}

/** Give the header lines of a head that `readRequestHead` has read: names as they were written, and values. */
export function readHeaderLines(text: string): [string, string][] {
  const lines: [string, string][] = []
  let at = text.indexOf(LINE_END) + LINE_END.length
  for (let end = text.indexOf(LINE_END, at); end > at; end = text.indexOf(LINE_END, at)) {
    const colon = text.indexOf(':', at)
    lines.push([text.slice(at, colon), trimSpaces(text.slice(colon + 1, end))])
    at = end + LINE_END.length
  }
  return lines
}
