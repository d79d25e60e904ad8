// Heads of HTTP messages as inputs: Latin-1 lines, the first of which is not a header. Node's parser has seen what a
// library is given, but the targets trust it in nothing.

import type { HeaderMap } from '../src/handshake/http1.ts'
import type { Random } from './random.ts'

export interface Head {
  readonly start: string
  readonly fields: readonly (readonly [string, string])[]
}

/** Parse lines; what has no colon is a name with an empty value. */
export function parseHead(text: string): Head {
  const [start = '', ...lines] = text.split('\n')
  const fields = lines
    .filter((line) => line !== '')
    .map((line): readonly [string, string] => {
      const colon = line.indexOf(':')
      return colon === -1 ? [line, ''] : [line.slice(0, colon), line.slice(colon + 1).trim()]
    })
  return { start, fields }
}

export type Repeats = 'array' | 'joined' | 'first'

/** Make the map that checks take, with repeated headers as an array, joined as Node does, or the first alone. */
export function toHeaderMap(fields: Head['fields'], repeats: Repeats, hasPrototype: boolean): HeaderMap {
  const map: Record<string, string | string[]> = hasPrototype ? {} : Object.create(null)
  for (const [name, value] of fields) {
    const key = name.toLowerCase()
    const before = Object.hasOwn(map, key) ? map[key] : undefined
    if (before === undefined) {
      // Not by assignment, which "__proto__" would take for something else.
      const given = repeats === 'array' && value === '' ? [] : value
      Object.defineProperty(map, key, { value: given, enumerable: true, writable: true, configurable: true })
    } else if (repeats === 'array') {
      map[key] = [...(Array.isArray(before) ? before : [before]), value]
    } else if (repeats === 'joined') {
      map[key] = `${before}, ${value}`
    }
  }
  return map
}

/** Change a good head: drop, repeat, swap and spoil fields. */
export function anyHead(
  random: Random,
  start: string,
  fields: Head['fields'],
  values: readonly string[],
): string {
  const lines: string[] = [start]
  for (const [name, value] of fields) {
    const act = random.below(24)
    const shownName = random.oneIn(4) ? name.toUpperCase() : name
    if (act === 0) continue
    if (act === 1) lines.push(`${shownName}: ${value}`)
    if (act === 2) lines.push(`${shownName}: ${random.pick(values)}`)
    else if (act === 3) lines.push(`${shownName}: ${random.pick(values)}, ${value}`)
    else lines.push(`${shownName}: ${value}`)
  }
  if (random.oneIn(6)) lines.push(`${random.pick(HOSTILE_NAMES)}: ${random.pick(values)}`)
  return lines.join('\n')
}

const HOSTILE_NAMES = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'Content-Length',
  'Transfer-Encoding',
  'Sec-WebSocket-Key',
  'Sec-WebSocket-Accept',
  'Sec-WebSocket-Protocol',
  'Sec-WebSocket-Extensions',
  'Origin',
  '',
  'a b',
]

/** Values that header parsers have stumbled over. */
export const HOSTILE_VALUES: readonly string[] = [
  '',
  ' ',
  ',',
  ', ,',
  ';',
  '=',
  '"',
  '"\\',
  'a;b="',
  'a;b="c\\"d"',
  'a; b = c , d',
  'constructor',
  '__proto__',
  'permessage-deflate; client_max_window_bits=15',
  'permessage-deflate; server_max_window_bits="10"',
  'websocket',
  'Upgrade',
  'keep-alive, Upgrade',
  'close',
  'chat',
  'chat, superchat',
  'chat,chat',
  '13',
  '8',
  '0',
  '-1',
  'chunked',
  'null',
  'http://example.com',
  'https://example.com:443',
  'example.com',
  'example.com:80',
  '[::1]:8080',
  'dGhlIHNhbXBsZSBub25jZQ==',
  's3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
  '\x00',
  '\x7f',
  '\r',
  'a\rb',
  '\xa0',
  '\xff',
  ' '.repeat(40),
  'a,'.repeat(20),
  '\t \t',
]

/** HTTP and header words for insertion. */
export const HEAD_DICTIONARY: readonly Uint8Array[] = [
  ...HOSTILE_VALUES,
  ...HOSTILE_NAMES.map((name) => `\n${name}: `),
]
  .filter((word) => word !== '')
  .map((word) => Uint8Array.from(word, (character) => character.charCodeAt(0)))
