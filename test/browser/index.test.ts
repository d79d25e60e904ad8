import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createContext, runInContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import * as browser from '../../src/browser/index.ts'
import * as node from '../../src/index.ts'
import { bundleForBrowsers } from '../support/bundle.ts'
import { FakeWebSocket } from './support.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

describe('the entry for browsers', () => {
  test('has all names of the entry for Node, and no others', () => {
    expect(Object.keys(browser).sort()).toEqual(Object.keys(node).sort())
  })

  test('has what is the same wherever it runs from the same place', () => {
    const there = new Map(Object.entries(browser))
    const same = Object.entries(node)
      .filter(([name, value]) => there.get(name) === value)
      .map(([name]) => name)
    expect(same).toEqual(
      expect.arrayContaining([
        'CloseCode',
        'HandshakeError',
        'StateError',
        'WebSocketError',
        'explainCloseCode',
      ]),
    )
  })

  test('can be given in place of that for Node, as far as types tell', () => {
    // The names that a browser cannot do take anything, and give nothing.
    type Functions = 'broadcast' | 'connect' | 'getEventLoop' | 'prepare' | 'serve' | 'upgrade'
    const { connect }: Pick<typeof node, Functions> = browser
    expect(connect).toBe(browser.connect)
  })

  test('is what the package gives to bundlers for browsers', () => {
    const { exports } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as {
      exports: Record<string, Record<string, string>>
    }
    const conditions = Object.keys(exports['.']!)
    expect(exports['.']!.browser).toBe('./dist/browser/index.js')
    // Whoever reads conditions takes the first that fits.
    expect(conditions.indexOf('types')).toBeLessThan(conditions.indexOf('browser'))
    expect(conditions.indexOf('browser')).toBeLessThan(conditions.indexOf('default'))
  })
})

/** What a file imports at run time. */
function importsOf(path: string): string[] {
  const source = readFileSync(root + path, 'utf8')
  const statements = source.matchAll(
    /^(?:import|export)\s+(?!type\s)(?:[^'"`;]*?\sfrom\s)?'([^']+)'|\bimport\('([^']+)'\)/gm,
  )
  return [...statements].map(([, fixed, dynamic]) => fixed ?? dynamic!)
}

/** All files that are loaded with the entry, each with what it takes from elsewhere. */
function reach(path: string, files = new Map<string, string[]>()): Map<string, string[]> {
  if (files.has(path)) return files
  const strangers: string[] = []
  files.set(path, strangers)
  for (const to of importsOf(path)) {
    if (to.startsWith('.')) reach(relative(root, join(dirname(root + path), to)), files)
    else strangers.push(to)
  }
  return files
}

describe('what is loaded with it', () => {
  const files = reach('src/browser/index.ts')

  test('imports nothing from Node, nor from anywhere else', () => {
    expect([...files].filter(([, strangers]) => strangers.length > 0)).toEqual([])
    expect(files.size).toBeGreaterThan(20)
    // That the search would find something.
    expect(reach('src/index.ts').get('src/transport/socket-transport.ts')).not.toEqual([])
  })

  test('asks no global that only Node has, except where it first looks whether it is there', () => {
    const users = [...files.keys()].filter((path) =>
      /\b(?:process\.|Buffer\.|setImmediate\(|__dirname|require\()/.test(
        readFileSync(root + path, 'utf8').replace(/^\s*(?:\/\/|\/?\*).*$/gm, ''),
      ),
    )
    expect(users).toEqual(['src/timing/clock.ts'])
  })
})

/** Run a program in a realm that has what all browsers have, and nothing of Node. */
function runAsPage(code: string): { openline: typeof browser; sockets: FakeWebSocket[] } {
  const sockets: FakeWebSocket[] = []
  class WebSocket extends FakeWebSocket {
    constructor(url: string, offered: readonly string[]) {
      super(url, offered)
      sockets.push(this)
    }
  }
  const page = createContext({
    WebSocket,
    AbortController,
    AbortSignal,
    Blob,
    ReadableStream,
    TextDecoder,
    TextEncoder,
    URL,
    WritableStream,
    console,
    crypto,
    performance,
    queueMicrotask,
    clearTimeout: (timer: number) => clearTimeout(timer),
    // Browsers give numbers.
    setTimeout: (callback: () => void, delay: number) => Number(setTimeout(callback, delay)),
    location: { href: 'https://example.com/page' },
    navigator: { onLine: true },
  })
  runInContext(code, page)
  return { openline: (page as unknown as { openline: typeof browser }).openline, sockets }
}

describe('a bundler', () => {
  test('finds nothing that browsers do not have, and what it makes works without Node', async () => {
    const { openline, sockets } = runAsPage(await bundleForBrowsers({ format: 'iife' }))
    const connecting = openline.connect('/feed', { openTimeout: 5000 })
    await expect.poll(() => sockets.length).toBe(1)
    const [socket] = sockets
    expect(socket!.url).toBe('wss://example.com/feed')
    socket!.accept()
    const connection = await connecting
    await connection.send('out')
    await connection.send(['in ', 'pieces'])
    expect(socket!.sent).toEqual(['out', 'in pieces'])
    socket!.deliver('in')
    expect(await connection.receive({ timeout: 1000 })).toBe('in')
    expect(connection.id).toHaveLength(36)
    const closing = connection.close()
    socket!.answerClose()
    expect(await closing).toMatchObject({ code: 1000, clean: true })
  })

  // What the names of this entry reach is easily more than one thinks: without these bounds it would grow unseen.
  test.each([
    ['all of it', 21, undefined],
    ['connect alone', 14, `import { connect } from 'openline'\nvoid connect('/feed')`],
  ])('makes of %s at most %d KiB, minified and compressed', async (_, most, program) => {
    const options = { format: 'esm', minify: true } as const
    const code = await bundleForBrowsers(program === undefined ? options : { ...options, program })
    const size = gzipSync(code, { level: 9 }).length
    expect(size).toBeLessThan(most * 1024)
    expect(size).toBeGreaterThan(2 * 1024)
  })

  test('leaves out what a page does not use', async () => {
    const all = await bundleForBrowsers({ format: 'esm', minify: true })
    const some = await bundleForBrowsers({
      format: 'esm',
      minify: true,
      program: `import { connect } from 'openline'\nvoid connect('/feed')`,
    })
    expect(some.length).toBeLessThan(all.length)
    expect(some).not.toContain('Pages only connect')
  })
})
