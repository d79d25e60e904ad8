// Reads the head of a handshake's request where it is as plain as clients write it. Whatever is not (another method, a
// header twice, a folded line, a body, a character that does not belong there) is left to a whole HTTP parser, which
// knows what to make of it. So this must never take what such a parser would refuse, or read it otherwise.
// Every scan goes forward once.

import { fieldValueEnd, isVisibleAscii, listHasToken, tokenEnd, trimSpaces } from './header-grammar.ts'
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

/**
 * Headers that a server has to act on before the handshake, the one that Node gives as an array, and names that a plain
 * object has already.
 */
const LEFT_TO_OTHERS: ReadonlySet<string> = new Set([
  ...['content-length', 'transfer-encoding', 'expect', 'set-cookie'],
  ...Object.getOwnPropertyNames(Object.prototype),
])

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
  if (target.charCodeAt(0) !== SLASH || !isVisibleAscii(target)) return undefined

  const headers: Record<string, string> = {}
  let at = firstEnd + LINE_END.length
  let count = 0
  while (!text.startsWith(LINE_END, at)) {
    const colon = tokenEnd(text, at)
    const lineEnd = fieldValueEnd(text, colon)
    if (colon === at || text[colon] !== ':' || !text.startsWith(LINE_END, lineEnd) || count === maxHeaders) {
      return undefined
    }
    const name = text.slice(at, colon).toLowerCase()
    const value = text.slice(colon + 1, lineEnd)
    if (LEFT_TO_OTHERS.has(name)) return undefined
    // For the parser of Node 20 a tab behind "upgrade" belongs to the token, which is then another one.
    if (name === 'connection' && value.includes('\t')) return undefined
    headers[name] = trimSpaces(value)
    count++
    at = lineEnd + LINE_END.length
  }
  // A header that stood twice shows once.
  if (Object.keys(headers).length < count) return undefined
  const { host, upgrade = '', connection = '' } = headers
  if (host === undefined || !listHasToken(upgrade, 'websocket') || !listHasToken(connection, 'upgrade')) {
    return undefined
  }
  return { method: 'GET', httpVersion: '1.1', target, headers, length: at + LINE_END.length }
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
