// Headless Chromium: the browser's own WebSocket as client of our server, and the page of the demonstration server.

import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { type ServeOptions, type Server, serve } from '../../src/index.ts'
import { pattern } from '../support/bytes.ts'
import { SERVER_TLS } from '../support/tls-fixture.ts'
import { BrowserSocket, launchChromium, PAGE } from './support/browser.ts'
import { CLIENT_CLOSES, expectSame, MESSAGES, SERVER_CLOSES } from './support/messages.ts'
import { describeWithPeers } from './support/peers.ts'
import { endPrograms, startExample } from './support/program.ts'
import { echo, startServer, startServerForOne } from './support/server.ts'

// Children share the machine with whatever else runs.
vi.setConfig({ testTimeout: 60_000 })

/** Let a server hand out the page as well. */
const WITH_PAGE: ServeOptions = {
  onRequest: () => new Response(PAGE, { headers: { 'Content-Type': 'text/html; charset=utf-8' } }),
}

await describeWithPeers('Chromium', ['Chromium'], () => {
  let browser: Browser
  let site: Server
  // A page for all tests that need none of their own, and the option that lets it connect.
  let page: Page
  let fromSite: ServeOptions

  beforeAll(async () => {
    browser = await launchChromium()
    site = await serve(echo, { host: '127.0.0.1', ...WITH_PAGE })
    const context = await browser.newContext()
    page = await context.newPage()
    await page.goto(site.url.replace(/^ws/, 'http'))
    fromSite = { origins: [new URL(page.url()).origin] }
  })
  afterAll(async () => {
    await browser?.close()
    await site?.close()
    await endPrograms()
  })

  /** Open the page that a server of ours hands out, in a context of its own. */
  async function visit(url: string): Promise<Page> {
    const context = await browser.newContext({ ignoreHTTPSErrors: true })
    onTestFinished(() => context.close())
    const page = await context.newPage()
    await page.goto(url.replace(/^ws/, 'http'))
    return page
  }

  test('gets every message back as it was, from the server of its own page', async () => {
    const socket = await BrowserSocket.open(page, site.url)
    for (const [what, message] of MESSAGES) {
      await socket.send(message)
      expectSame(await socket.receive(), message, what)
    }
    expect(await socket.close()).toMatchObject({ code: 1005, wasClean: true })
  })

  test('gets 4 MiB', async () => {
    const { server, opened } = await startServerForOne(fromSite)
    const socket = await BrowserSocket.open(page, server.url)
    const message = pattern(4 * 1024 * 1024)
    await (await opened).send(message)
    expectSame(await socket.receive(), message)
  })

  test('answers pings, and offers compression, which is declined', async () => {
    const { server, opened } = await startServerForOne({ ...fromSite, compression: false })
    const socket = await BrowserSocket.open(page, server.url)
    const connection = await opened
    expect(await connection.ping()).toBeGreaterThanOrEqual(0)
    expect(connection.request.headers['sec-websocket-extensions']).toContain('permessage-deflate')
    expect(socket.extensions).toBe('')
  })

  test.each(CLIENT_CLOSES)('closes with %s, and hears the same', async (_, code, reason) => {
    const { server, opened } = await startServerForOne(fromSite)
    const socket = await BrowserSocket.open(page, server.url)
    const { closed } = await opened
    expect(await socket.close(code, reason)).toMatchObject({ code, wasClean: true })
    expect(await closed).toMatchObject({ received: { code, reason }, initiator: 'remote', clean: true })
  })

  test('closes without a code', async () => {
    const { server, opened } = await startServerForOne(fromSite)
    const socket = await BrowserSocket.open(page, server.url)
    const { closed } = await opened
    expect(await socket.close()).toMatchObject({ code: 1005, wasClean: true })
    expect(await closed).toMatchObject({ code: 1005, initiator: 'remote', clean: true })
  })

  test('closes with 1001 when its page is left', async () => {
    const { server, opened } = await startServerForOne(WITH_PAGE)
    const ownPage = await visit(server.url)
    await BrowserSocket.open(ownPage, server.url)
    const { closed } = await opened
    await ownPage.goto('about:blank')
    expect(await closed).toMatchObject({ code: 1001, initiator: 'remote' })
  })

  test.each(SERVER_CLOSES)('hears that the server closes with %s', async (_, code, reason) => {
    const { server, opened } = await startServerForOne(fromSite)
    const socket = await BrowserSocket.open(page, server.url)
    const info = await (await opened).close(code, reason)
    expect(await socket.closed()).toEqual({ code, reason, wasClean: true })
    expect(info).toMatchObject({ code, reason, initiator: 'local', clean: true })
  })

  test('hears 1001 when the server stops', async () => {
    const { server, opened } = await startServerForOne(fromSite)
    const socket = await BrowserSocket.open(page, server.url)
    await opened
    await server.close()
    expect(await socket.closed()).toEqual({ code: 1001, reason: '', wasClean: true })
  })

  test('hears 1011 when the handler fails', async () => {
    const errors: unknown[] = []
    const logger = { error: (...values: unknown[]) => void errors.push(values) }
    const server = await startServer(
      () => {
        throw new Error('the secret cause')
      },
      { ...fromSite, logger },
    )
    const socket = await BrowserSocket.open(page, server.url)
    expect(await socket.closed()).toEqual({ code: 1011, reason: '', wasClean: true })
    expect(errors).toHaveLength(1)
  })

  test('hears 1009 after a message that is too large', async () => {
    const { server, opened } = await startServerForOne(fromSite)
    const socket = await BrowserSocket.open(page, server.url)
    const { closed } = await opened
    await socket.send(pattern(1024 * 1024 + 1))
    expect(await socket.closed()).toMatchObject({ code: 1009 })
    expect(await closed).toMatchObject({ sent: { code: 1009 }, initiator: 'local' })
  })

  test('agrees on a subprotocol, and gives up when none is chosen', async () => {
    const { server, opened } = await startServerForOne({ ...fromSite, subprotocols: ['chat.v2', 'chat.v1'] })
    const socket = await BrowserSocket.open(page, server.url, ['chat.v1', 'chat.v2'])
    expect(socket.subprotocol).toBe('chat.v2')
    expect((await opened).subprotocol).toBe('chat.v2')
    expect((await BrowserSocket.open(page, server.url, ['mail'])).refused).toMatchObject({ code: 1006 })
  })

  test('connects over TLS', async () => {
    const server = await startServer(echo, { ...WITH_PAGE, tls: SERVER_TLS })
    expect(server.url).toMatch(/^wss:/)
    const socket = await BrowserSocket.open(await visit(server.url), server.url)
    for (const message of ['加密', pattern(1024 * 1024)]) {
      await socket.send(message)
      expectSame(await socket.receive(), message)
    }
    expect(await socket.close(4001, 'bye')).toMatchObject({ code: 4001, wasClean: true })
  })

  test('is refused from a page of another origin, and welcome when that is allowed', async () => {
    const strict = await startServer(echo)
    expect((await BrowserSocket.open(page, strict.url)).refused).toMatchObject({ code: 1006 })
    const friendly = await startServer(echo, fromSite)
    const socket = await BrowserSocket.open(page, friendly.url)
    expect(socket.refused).toBeUndefined()
    await socket.send('from the other site')
    expect(await socket.receive()).toBe('from the other site')
  })

  test('talks to all four services of the demonstration server by its page', async () => {
    const demo = startExample('demo/main.ts', ['--port', '0'])
    const [, address] = await demo.waitFor(/in a browser\s+(\S+)/)
    const one = await visit(address!)
    const other = await visit(address!)
    await one.waitForFunction("document.querySelectorAll('h2.open').length === 4")
    await other.waitForFunction("document.querySelectorAll('h2.open').length === 4")

    await one.locator('#echo input').fill('你好 <b>')
    await one.locator('#echo button').click()
    await expectOutput(one, 'echo', '→ 你好 <b>\n← 你好 <b>\n')

    await one.locator('#login input').fill('eve')
    await one.locator('#login button').click()
    await expectOutput(one, 'login', '← name is not exist\n')
    await one.locator('#login input').fill('hlq')
    await one.locator('#login input').press('Enter')
    await expectOutput(one, 'login', '← True\nclosed with 1000\n')
    await one.locator('#login button').click()
    await expectOutput(one, 'login', 'the line is closed: reload the page\n')

    await one.locator('#chat button').click()
    await expectOutput(one, 'chat', '← hello, everybody\n')
    await expectOutput(other, 'chat', '← hello, everybody\n')

    await one.waitForFunction(
      "/(← \\d{4}-\\d\\d-\\d\\dT.*\\n){2}/.test(time.querySelector('output').textContent)",
    )

    demo.signal('SIGINT')
    await expectOutput(one, 'echo', 'closed with 1001\n')
    await expectOutput(other, 'time', 'closed with 1001\n')
    expect(await demo.exit()).toEqual({ code: 0, signal: null })
  })
})

/** Wait until a panel of the demonstration page shows a text. */
async function expectOutput(page: Page, panel: string, text: string): Promise<void> {
  const output = `document.querySelector('#${panel} output').textContent`
  await page.waitForFunction(`${output}.includes(${JSON.stringify(text)})`)
}
