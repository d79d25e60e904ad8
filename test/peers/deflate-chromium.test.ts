// Headless Chromium with compression: a page that sends back what our server sends.

import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type CompressionOptions, type Server, serve } from '../../src/index.ts'
import { BrowserSocket, launchChromium, PAGE } from './support/browser.ts'
import {
  ALWAYS,
  BRIEF_SERIES,
  EXTREMES,
  exchange,
  expectAgreement,
  expectAgreements,
  expectFragments,
  expectNoneCompressed,
  expectSomeCompressed,
  LEVELS,
  LONG_SERIES,
  lineOf,
  OPEN,
  type Outcome,
  PAIRWISE_AGREEMENTS,
  PLAIN,
  type Series,
  SHORT_SERIES,
  toOutcome,
} from './support/deflate-series.ts'
import { describeWithPeers } from './support/peers.ts'
import { startServerForOne } from './support/server.ts'
import { startTap } from './support/tap.ts'

// Children share the machine with whatever else runs.
vi.setConfig({ testTimeout: 60_000 })

await describeWithPeers('Chromium with compression', ['Chromium'], () => {
  let browser: Browser
  let site: Server
  let page: Page

  beforeAll(async () => {
    browser = await launchChromium()
    site = await serve(() => {}, {
      host: '127.0.0.1',
      onRequest: () => new Response(PAGE, { headers: { 'Content-Type': 'text/html; charset=utf-8' } }),
    })
    page = await browser.newPage()
    await page.goto(site.url.replace(/^ws/, 'http'))
  })
  afterAll(async () => {
    await browser?.close()
    await site?.close()
  })

  /** Send a series to the page. */
  async function run(compression: CompressionOptions | boolean, series: Series): Promise<Outcome> {
    const origins = [new URL(page.url()).origin]
    const { server, opened } = await startServerForOne({ origins, compression })
    const tap = await startTap(server.url)
    const socket = await BrowserSocket.open(page, tap.url)
    await socket.echo()
    const connection = await opened
    await exchange(lineOf(connection), series)
    expect(await connection.close()).toMatchObject({ code: 1000, clean: true })
    expect(socket.extensions).toBe(connection.extensions)
    return toOutcome('server', socket.extensions, tap, series)
  }

  test('does whatever the server asks for', async () => {
    await expectAgreements(PAIRWISE_AGREEMENTS, (agreement) => run({ ...ALWAYS, ...agreement }, BRIEF_SERIES))
  })

  test('takes what is compressed at every level', async () => {
    for (const level of LEVELS) {
      const options = { ...OPEN, level, memLevel: Math.max(level, 1) }
      await expectAgreement(PLAIN, () => run(options, SHORT_SERIES))
    }
  })

  test('gives messages of all sizes back, with context and without', async () => {
    for (const agreement of EXTREMES) {
      const outcome = await expectAgreement(agreement, () => run({ ...OPEN, ...agreement }, LONG_SERIES))
      expectFragments(outcome)
    }
  })

  test('gives messages of all sizes back when the server chooses what it compresses', async () => {
    const outcome = await run(true, LONG_SERIES)
    expect(outcome.agreed).toEqual({ ...PLAIN, serverMaxWindowBits: 12, clientMaxWindowBits: 12 })
    expectSomeCompressed(outcome)
  })

  test('does without compression when the server has none', async () => {
    expectNoneCompressed(await run(false, SHORT_SERIES))
  })
})
