// An app that sends all the time to a server that is killed again and again: nothing arrives twice or out of order, and
// what does not arrive was either dropped, which is told, or handed to a connection that died, which is told too.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { type Connection, ConnectionClosedError, type Sendable, WebSocketApp } from '../../src/index.ts'

const KILLS = 4
const WAITING = 20

const program = fileURLToPath(new URL('recording-server.ts', import.meta.url))

/** Start the server, and wait until it listens. Gives its process and its port. */
async function startServer(port: number, file: string): Promise<[ChildProcess, number]> {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', '--conditions=openline-source', program, String(port), file],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  onTestFinished(() => void child.kill('SIGKILL'))
  const [line] = (await once(createInterface(child.stdout!), 'line')) as [string]
  return [child, Number(line)]
}

function numberOf(message: Sendable): number {
  return Number(String(message).split(' ', 1)[0])
}

/** Send numbered messages, and note to which connection each was handed, which were dropped, and what ended. */
class Sender extends WebSocketApp {
  /** For each connection what it was given. */
  readonly handed: number[][] = []
  readonly dropped: number[] = []
  readonly closes: unknown[] = []
  readonly outcomes = new Map<number, string>()
  sent = 0

  override onOpen(): void {
    const connection = this.connection!
    const given: number[] = []
    this.handed.push(given)
    const send = connection.send.bind(connection)
    const noted: Connection['send'] = (message, options) => {
      given.push(numberOf(message))
      return send(message, options)
    }
    Object.defineProperty(connection, 'send', { value: noted })
  }

  override onError(error: unknown, { phase }: { phase: string }): void {
    if (phase !== 'connect') this.closes.push(error)
  }

  override onDrop(message: Sendable): void {
    this.dropped.push(numberOf(message))
  }

  sendNext(): void {
    const number = ++this.sent
    // Now and then one that fills a buffer.
    this.send(`${number} ${'x'.repeat(number % 50 === 0 ? 50_000 : 20)}`).then(
      () => this.outcomes.set(number, 'taken'),
      (error: { code?: string }) => this.outcomes.set(number, String(error.code)),
    )
  }
}

test('an app sends nothing twice, and loses nothing without a word', { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'openline-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'seen')
  const until = (condition: () => boolean): Promise<void> =>
    vi.waitUntil(condition, { timeout: 60_000, interval: 5 }).then(() => {})
  const seenNow = (): number[] => readFileSync(file, 'utf8').split('\n').filter(Boolean).map(Number)

  let [server, port] = await startServer(0, file)
  const app = new Sender(`ws://127.0.0.1:${port}/`, {
    outbox: { maxMessages: WAITING, overflow: 'drop-oldest' },
  })
  const running = app.runForever({ reconnect: 20 })
  const timer = setInterval(() => app.sendNext(), 2)
  onTestFinished(() => clearInterval(timer))

  for (let kill = 1; kill <= KILLS; kill++) {
    await until(() => app.handed.length === kill)
    const given = app.handed[kill - 1]!
    await until(() => given.length > 50)
    if (kill % 2 === 0) {
      // What it is given while it stands still, it never sees.
      server.kill('SIGSTOP')
      const before = given.length
      await until(() => given.length > before + 100)
    }
    server.kill('SIGKILL')
    await once(server, 'exit')
    const dropped = app.dropped.length
    await until(() => app.waiting.messages === WAITING && app.dropped.length > dropped)
    ;[server] = await startServer(port, file)
  }
  await until(() => app.handed.length === KILLS + 1 && app.handed[KILLS]!.length > 100)
  clearInterval(timer)
  await app.close()
  expect(await running).toEqual({ errored: false })

  const seen = seenNow()
  expect(seen.length).toBeGreaterThan(100)
  for (let index = 1; index < seen.length; index++) expect(seen[index]).toBeGreaterThan(seen[index - 1]!)

  // Each was handed to one connection or dropped, in order, and none to both.
  expect(app.handed).toHaveLength(KILLS + 1)
  const handed = app.handed.flat()
  for (let index = 1; index < handed.length; index++)
    expect(handed[index]).toBeGreaterThan(handed[index - 1]!)
  const all = [...handed, ...app.dropped].sort((one, other) => one - other)
  expect(all).toEqual(Array.from({ length: app.sent }, (_, index) => index + 1))
  for (const number of app.dropped) expect(app.outcomes.get(number)).toMatch(/^WS_OUTBOX_(FULL|CLOSED)$/)
  expect(app.outcomes.size).toBe(app.sent)

  // What a connection was given arrived from the first on, and what is missing is the end of one that died.
  const arrived = new Set(seen)
  let lost = 0
  for (const [index, given] of app.handed.entries()) {
    const missing = given.filter((number) => !arrived.has(number))
    expect(missing).toEqual(missing.length === 0 ? [] : given.slice(-missing.length))
    lost += missing.length
    if (index === KILLS) expect(missing).toEqual([])
  }
  expect(lost).toBeGreaterThan(0)
  expect(seen.length + lost + app.dropped.length).toBe(app.sent)
  // The end of each of them was told.
  expect(app.closes).toHaveLength(KILLS)
  for (const error of app.closes) expect(error).toBeInstanceOf(ConnectionClosedError)
})
