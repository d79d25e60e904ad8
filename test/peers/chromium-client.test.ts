// Headless Chromium as our client: a page loads the build for browsers and talks to our server.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import ts from 'typescript'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { type Connection, type Server, serve } from '../../src/index.ts'
import { bundleForBrowsers } from '../support/bundle.ts'
import { pattern } from '../support/bytes.ts'
import { launchChromium } from './support/browser.ts'
import { describeWithPeers } from './support/peers.ts'
import { endPrograms } from './support/program.ts'
import { echo, startServer, startServerForOne } from './support/server.ts'

// Children share the machine with whatever else runs.
vi.setConfig({ testTimeout: 60_000 })

const HTML = '<!doctype html><title>client</title><script type="module" src="/page.js"></script>'
/** What all programs in the page have at hand. */
const SETUP = `
import * as openline from '/openline.js'
Object.assign(globalThis, openline)
globalThis.log = []
globalThis.isReady = true
`

/** A worker that tells its page what it got back. */
const WORKER = `
import { reconnect } from '/openline.js'
for await (const connection of reconnect('/from/worker')) {
  await connection.send('hello from ' + connection.request.target)
  postMessage(await connection.receive())
  break
}
`

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Give a source file as `npm run build` puts it into dist: without types, and by itself. */
function transpile(path: string): string {
  const { ES2022 } = ts.ScriptTarget
  const { outputText } = ts.transpileModule(readFileSync(root + path, 'utf8'), {
    compilerOptions: { target: ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true },
  })
  return outputText
}

await describeWithPeers('Chromium with the build for browsers', ['Chromium'], () => {
  let browser: Browser
  let site: Server
  let origin: string

  beforeAll(async () => {
    const bundle = await bundleForBrowsers({ format: 'esm' })
    const files: Readonly<Record<string, readonly [type: string, text: string]>> = {
      '/': ['text/html; charset=utf-8', HTML],
      '/page.js': ['text/javascript', SETUP],
      '/openline.js': ['text/javascript', bundle],
      '/worker.js': ['text/javascript', WORKER],
    }
    browser = await launchChromium()
    site = await serve(echo, {
      host: '127.0.0.1',
      onRequest: ({ url }) => {
        const { pathname } = new URL(url)
        const isSource = /^\/src\/[\w/-]+\.ts$/.test(pathname)
        const [type, text] = isSource
          ? ['text/javascript', transpile(pathname.slice(1))]
          : (files[pathname] ?? [])
        if (type === undefined) return new Response('no such file', { status: 404 })
        return new Response(text, { headers: { 'Content-Type': type } })
      },
    })
    origin = site.url.replace(/^ws/, 'http').replace(/\/$/, '')
  })
  afterAll(async () => {
    await browser?.close()
    await site?.close()
    await endPrograms()
  })

  /** Open the page in a context of its own. */
  async function visit(): Promise<Page> {
    const context = await browser.newContext()
    onTestFinished(() => context.close())
    const page = await context.newPage()
    await page.goto(`${origin}/`)
    await page.waitForFunction('globalThis.isReady')
    return page
  }

  /** Run the body of an async function in the page. */
  function run<Result>(page: Page, body: string): Promise<Result> {
    return page.evaluate<Result>(`(async () => { ${body} })()`)
  }

  test('gets back what it sends, from the server of its own page', async () => {
    const page = await visit()
    const result = await run(
      page,
      `const connection = await connect('/feed?room=1')
      const got = []
      await connection.send('héllo')
      got.push(await connection.receive())
      await connection.send(Uint8Array.of(1, 2, 3))
      got.push([...await connection.receive()])
      await connection.send(['in ', 'pieces'])
      got.push(await connection.receive())
      await connection.send(new Blob(['blob']))
      got.push([...await connection.receive()])
      const { target } = connection.request
      const { code, initiator, clean, diagnosis } = await connection.close(4000, 'bye')
      return { got, target, extensions: connection.extensions.split(';')[0], code, initiator, clean, diagnosis }`,
    )
    expect(result).toEqual({
      got: ['héllo', [1, 2, 3], 'in pieces', [98, 108, 111, 98]],
      target: '/feed?room=1',
      extensions: 'permessage-deflate',
      code: 4000,
      initiator: 'local',
      clean: true,
      diagnosis: 'we closed with 4000 (private use) "bye" and the peer answered',
    })
  })

  test('needs no bundler: its modules load one by one', async () => {
    const page = await visit()
    const result = await run(
      page,
      `const { connect } = await import('/src/browser/index.ts')
      const connection = await connect('/')
      await connection.send('hello')
      return connection.receive()`,
    )
    expect(result).toBe('hello')
  })

  test('works in a worker, which has no document', async () => {
    const page = await visit()
    const result = await run(
      page,
      `const worker = new Worker('/worker.js', { type: 'module' })
      return new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data)
        worker.onerror = ({ message }) => reject(new Error(message))
      })`,
    )
    expect(result).toBe('hello from /from/worker')
  })

  test('waits while a server does not read, and loses nothing', async () => {
    const page = await visit()
    const { server, opened } = await startServerForOne({ origins: [origin], compression: false })
    const sending = run<{ most: number; rounds: number }>(
      page,
      `const connection = await connect(${JSON.stringify(server.url)})
      let most = 0
      for (let round = 0; round < 200; round++) {
        await connection.send(new Uint8Array(256 * 1024).fill(round))
        most = Math.max(most, connection.bufferedAmount)
      }
      return { most, rounds: 200 }`,
    )
    const connection = await opened
    for (let round = 0; round < 200; round++) {
      const message = (await connection.receive()) as Uint8Array
      expect(message.length).toBe(256 * 1024)
      expect(message[0]).toBe(round % 256)
    }
    const { most } = await sending
    expect(most).toBeLessThanOrEqual(64 * 1024 + 256 * 1024)
  })

  test('takes a large message, and hears how the server closes', async () => {
    const page = await visit()
    const { server, opened } = await startServerForOne({ origins: [origin] })
    const receiving = run(
      page,
      `const connection = await connect(${JSON.stringify(server.url)})
      const sizes = []
      try {
        for await (const message of connection) sizes.push(message.length)
      } catch (error) {
        return { sizes, name: error.name, code: error.info.code, message: error.message }
      }`,
    )
    const connection = await opened
    await connection.send(pattern(4 * 1024 * 1024))
    await connection.close(1011, 'out of order')
    expect(await receiving).toEqual({
      sizes: [4 * 1024 * 1024],
      name: 'ConnectionClosedError',
      code: 1011,
      message:
        'the connection is closed with 1011 (internal error): the peer closed with 1011 (internal error) "out of order"',
    })
  })

  test('closes with what stands for 1009 after a message that is too large', async () => {
    const page = await visit()
    const { server, opened } = await startServerForOne({ origins: [origin] })
    const closing = run(
      page,
      `const connection = await connect(${JSON.stringify(server.url)}, { maxMessageSize: 10 })
      const { code, sent, error } = await connection.closed
      return { code, sent, error: error.code }`,
    )
    const connection = await opened
    await connection.send('x'.repeat(11))
    const reason = 'a message is larger than the limit'
    expect(await closing).toEqual({ code: 1009, sent: { code: 4009, reason }, error: 'WS_MESSAGE_TOO_BIG' })
    expect(await connection.closed).toMatchObject({ received: { code: 4009, reason } })
  })

  test('is told what a browser cannot do, and why a connection failed as far as the browser tells', async () => {
    const page = await visit()
    // A server of another origin refuses the page.
    const strict = await startServer(echo)
    const result = await run<Record<string, string>>(
      page,
      `const codeOf = async (call) => { try { await call(); return 'none' } catch (error) { return error.code } }
      const connection = await connect('/')
      return {
        headers: await codeOf(() => connect('/', { headers: { 'X-Token': 'abc' } })),
        ping: await codeOf(() => connection.ping()),
        serve: await codeOf(() => serve(() => {})),
        refused: await codeOf(() => connect(${JSON.stringify(strict.url)})),
        abort: await codeOf(() => connect('/', { signal: AbortSignal.abort({ code: 'mine' }) })),
      }`,
    )
    expect(result).toEqual({
      headers: 'WS_NOT_IN_BROWSER',
      ping: 'WS_NOT_IN_BROWSER',
      serve: 'WS_NOT_IN_BROWSER',
      refused: 'WS_FAILED_IN_BROWSER',
      abort: 'mine',
    })
  })

  /** Start a server on a port that one before may have had. */
  async function startOn(port: number, handler: (connection: Connection) => Promise<void>): Promise<Server> {
    const server = await serve(handler, { host: '127.0.0.1', port, origins: [origin] })
    onTestFinished(() => server.close({ timeout: 1000 }))
    return server
  }

  test('comes back after the server was restarted', async () => {
    const page = await visit()
    const server = await startOn(0, echo)
    await page.evaluate(
      `(async () => {
        for await (const connection of reconnect(${JSON.stringify(server.url)}, { backoff: 50 })) {
          log.push('open')
          await connection.send('hello')
          try {
            for await (const message of connection) log.push(message)
          } catch (error) {
            log.push(error.info.code)
          }
        }
      })(); undefined`,
    )
    for (let round = 1, running = server; round <= 3; round++) {
      await page.waitForFunction(`log.filter((one) => one === 'hello').length === ${round}`)
      // Once it says that it goes, and twice it is gone.
      if (round === 1) await running.close()
      else {
        for (const connection of running.connections) connection.terminate()
        await running.close()
      }
      running = await startOn(server.port!, echo)
    }
    await page.waitForFunction("log.filter((one) => one === 'hello').length === 4")
    expect(await page.evaluate('log')).toEqual([
      'open',
      'hello',
      'open',
      'hello',
      1006,
      'open',
      'hello',
      1006,
      'open',
      'hello',
    ])
  })

  test('waits longer and longer while there is no server', async () => {
    const page = await visit()
    const server = await startOn(0, echo)
    await server.close()
    const delays = await run<number[]>(
      page,
      `const connections = reconnect(${JSON.stringify(server.url)}, {
        backoff: fibonacciBackoff({ initial: 20, max: 100 }),
      })
      const failing = connections.next()
      failing.catch(() => {})
      const delays = []
      for await (const status of connections.status()) {
        if (status.state === 'waiting') delays.push(status.delay)
        if (delays.length === 6) break
      }
      await connections.return()
      return delays`,
    )
    expect(delays).toEqual([20, 20, 40, 60, 100, 100])
  })

  test('runs a WebSocketApp, whose outbox keeps what was sent meanwhile', async () => {
    const page = await visit()
    const server = await startOn(0, echo)
    await page.evaluate(
      `class App extends WebSocketApp {
        onOpen() { log.push('open') }
        onMessage(message) { log.push(message) }
        onError(error, { phase }) { log.push(phase) }
        onClose(info) { log.push(info.code) }
      }
      globalThis.app = new App(${JSON.stringify(server.url)})
      globalThis.running = app.runForever({ reconnect: 50 })
      undefined`,
    )
    await page.waitForFunction("log.includes('open')")
    for (const connection of server.connections) connection.terminate()
    await server.close()
    await page.waitForFunction("log.includes('connect')")
    await page.evaluate("app.send('kept'); undefined")
    await startOn(server.port!, echo)
    await page.waitForFunction("log.includes('kept')")
    expect(await run(page, 'await app.close(); return running')).toEqual({ errored: false })
    const log = await page.evaluate<unknown[]>('log')
    expect(log.filter((one) => one !== 'connect')).toEqual(['open', 'connection', 'open', 'kept', 1000])
  })
})
