// README.md and README.zh-CN.md are the same page in two languages, and tell the defaults as they are.

import { describe, expect, test } from 'vitest'
import { resolveConnectOptions } from '../../src/client/options.ts'
import { type ConnectionOptions, resolveConnectionOptions } from '../../src/connection/options.ts'
import type { Role } from '../../src/protocol/protocol.ts'
import { resolveUpgradeOptions } from '../../src/server/options.ts'
import { findCodeBlocks, findCodeSpans, findRows, findSections, type Section } from './support/markdown.ts'
import { readPage } from './support/pages.ts'

const english = readPage('README.md')
const chinese = readPage('README.zh-CN.md')
const pairs = zip(findSections(english), findSections(chinese))

describe('README.md and README.zh-CN.md', () => {
  test('have the same headings', () => {
    const levels = (page: string): number[] => findSections(page).map(({ heading }) => heading.level)
    expect(levels(chinese)).toEqual(levels(english))
  })

  test('have the same code, but for comments', () => {
    const code = (page: string): unknown[] =>
      findCodeBlocks(page).map(({ language, marker, text }) => ({ language, marker, text: uncomment(text) }))
    expect(code(chinese)).toEqual(code(english))
  })

  test.each(pairs)('name the same code under "$0.heading.text"', (left, right) => {
    expect(findCodeSpans(right.prose).sort()).toEqual(findCodeSpans(left.prose).sort())
  })

  test.each(pairs)(
    'have the same links and as many rows and items under "$0.heading.text"',
    (left, right) => {
      const shape = ({ prose }: Section): unknown => ({
        rows: findRows(prose).length,
        items: prose.filter((line) => line.startsWith('- ')).length,
        links: [...prose.join('\n').matchAll(/\]\(([^)]+)\)/g)]
          .map((match) => match[1])
          // Each page links to the other, and shows the picture in its own language.
          .filter((link) => !/README|line\.|published-main/.test(link!)),
      })
      expect(shape(right)).toEqual(shape(left))
    },
  )
})

const server = resolveUpgradeOptions({})
const client = resolveConnectOptions({})
const limits = { server: server.connection, client: client.connection }

/** What each row of the table must say, from the options as they are resolved. */
const DEFAULTS: Readonly<Record<string, (role: Role) => string>> = {
  pingInterval: (role) => seconds(limits[role].pingInterval),
  pingTimeout: (role) => seconds(limits[role].pingTimeout),
  openTimeout: (role) => seconds((role === 'server' ? server : client).openTimeout),
  closeTimeout: (role) => seconds(limits[role].closeTimeout),
  messageTimeout: (role) => seconds(limits[role].messageTimeout),
  maxMessageSize: (role) => bytes(limits[role].limits.maxMessageSize),
  maxFragments: (role) => limits[role].limits.maxFragments.toLocaleString('en'),
  receiveHighWaterMark: (role) => String(limits[role].receiveHighWaterMark),
  receiveLowWaterMark: (role) => String(limits[role].receiveLowWaterMark),
  sendHighWaterMark: (role) => bytes(limits[role].sendHighWaterMark),
  maxBufferedAmount: (role) => bytes(limits[role].maxBufferedAmount),
}

describe.each([
  ['README.md', english, 'What is on by default', (text: string) => text],
  [
    'README.zh-CN.md',
    chinese,
    '默认就有',
    (text: string) => text.replace(' s', ' 秒').replace('off', '不限'),
  ],
])('the defaults in %s', (_path, page, heading, translate) => {
  const section = findSections(page).find((candidate) => candidate.heading.text === heading)!
  const rows = new Map(findRows(section.prose).map((row) => [row[1]!.replaceAll('`', ''), row]))

  test('are all there', () => {
    expect([...rows.keys()]).toEqual([...Object.keys(DEFAULTS), 'origins'])
  })

  test.each(Object.entries(DEFAULTS))('%s is as it says', (option, tell) => {
    const [, , onServers, onClients] = rows.get(option)!
    expect([onServers, onClients]).toEqual([translate(tell('server')), translate(tell('client'))])
  })

  test('of timeouts that can be turned off can be turned off', () => {
    const options: ConnectionOptions = { pingInterval: false, pingTimeout: false, messageTimeout: false }
    expect(() => resolveConnectionOptions(options, 'server')).not.toThrow()
  })
})

function seconds(ms: number): string {
  return ms === Number.POSITIVE_INFINITY ? 'off' : `${ms / 1000} s`
}

function bytes(size: number): string {
  return size >= 1024 * 1024 ? `${size / 1024 / 1024} MiB` : `${size / 1024} KiB`
}

/** Take comments away, but for the output that is promised. */
function uncomment(code: string): string {
  return code.replaceAll(/\s+\/\/ (?!→).*$/gm, '')
}

function zip<Left, Right>(left: readonly Left[], right: readonly Right[]): [Left, Right][] {
  return left.map((value, index) => [value, right[index]!])
}
