// A thousand clients of a server that is ended twenty times, gracefully and not: all come back, not all at once, and
// nothing of the connections that were is left.

import { type ChildProcess, spawn } from 'node:child_process'
import { once, setMaxListeners } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, onTestFinished, test } from 'vitest'
import { ConnectionClosedError, exponentialBackoff, reconnect } from '../../src/index.ts'

const CLIENTS = 1000
const RESTARTS = 20
/** The first wait of each client lies between 0 and this, in ms. */
const SPREAD = 500

const program = fileURLToPath(new URL('restarting-server.ts', import.meta.url))

/** Start the server, and wait until it listens. Gives its process and its port. */
async function startServer(port: number): Promise<[ChildProcess, number]> {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', '--conditions=openline-source', program, String(port)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  onTestFinished(() => void child.kill('SIGKILL'))
  const [line] = (await once(createInterface(child.stdout!), 'line')) as [string]
  return [child, Number(line)]
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

interface Measure {
  readonly heap: number
  readonly handles: number
}

/** The memory and the handles that are in use after all that can go is gone. */
async function measure(): Promise<Measure> {
  for (let round = 0; round < 4; round++) {
    collectGarbage()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return { heap: process.memoryUsage().heapUsed, handles: process.getActiveResourcesInfo().length }
}

test('1,000 clients come back from 20 restarts, spread, and leave nothing behind', {
  timeout: 300_000,
}, async () => {
  let [server, port] = await startServer(0)
  const aborter = new AbortController()
  setMaxListeners(0, aborter.signal)
  onTestFinished(() => aborter.abort())
  let welcomed = 0
  /** When attempts began, in ms since the server was ended. */
  let attempts: number[] = []
  let endedAt = performance.now()
  const delays: number[] = []

  async function stay(): Promise<void> {
    const connections = reconnect(
      () => {
        attempts.push(performance.now() - endedAt)
        return `ws://127.0.0.1:${port}/`
      },
      {
        backoff: exponentialBackoff({ initial: SPREAD, max: 4 * SPREAD }),
        // A thousand handshakes at once on a busy machine take their time.
        openTimeout: 60_000,
        stableAfter: 1,
        compression: false,
        signal: aborter.signal,
      },
    )
    const watching = (async () => {
      for await (const status of connections.status())
        if (status.state === 'waiting') delays.push(status.delay)
    })()
    for await (const connection of connections) {
      try {
        for await (const message of connection) if (message === 'welcome') welcomed++
      } catch (error) {
        if (!(error instanceof ConnectionClosedError)) throw error
      }
    }
    await watching
  }

  const clients = Array.from({ length: CLIENTS }, () => stay().catch((error: unknown) => error))
  const allWelcomed = async (): Promise<void> => {
    while (welcomed < CLIENTS) await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await allWelcomed()

  const early: Measure[] = []
  const late: Measure[] = []
  for (let restart = 1; restart <= RESTARTS; restart++) {
    welcomed = 0
    attempts = []
    delays.length = 0
    endedAt = performance.now()
    // In turns, as a deployment ends a server and as a crash does.
    server.kill(restart % 2 === 0 ? 'SIGTERM' : 'SIGKILL')
    await once(server, 'exit')
    ;[server] = await startServer(port)
    await allWelcomed()

    // Each client waited first, anywhere between 0 and the bound: no tenth of that time has more than its share.
    const first = delays.slice(0, CLIENTS).filter((delay) => delay < SPREAD)
    for (let tenth = 0; tenth < 10; tenth++) {
      const share = first.filter((delay) => Math.floor((delay / SPREAD) * 10) === tenth).length
      expect(share).toBeLessThan(0.2 * CLIENTS)
    }
    expect(attempts.length).toBeGreaterThanOrEqual(CLIENTS)
    // Three of each: what the engine itself keeps for a while goes up and down by as much as we look for.
    if (restart >= 3 && restart < 6) early.push(await measure())
    if (restart > RESTARTS - 3) late.push(await measure())
  }
  const most = (measures: Measure[], kind: keyof Measure): number =>
    Math.max(...measures.map((one) => one[kind]))
  const least = (measures: Measure[], kind: keyof Measure): number =>
    Math.min(...measures.map((one) => one[kind]))
  expect(least(late, 'handles')).toBeLessThanOrEqual(most(early, 'handles') + 5)
  // Anything that each loss left behind for each client, were it 64 bytes, would be more.
  expect(least(late, 'heap') - most(early, 'heap')).toBeLessThan((RESTARTS - 5) * CLIENTS * 64)

  const ended = performance.now()
  aborter.abort('done')
  expect(new Set(await Promise.all(clients))).toEqual(new Set(['done']))
  expect(performance.now() - ended).toBeLessThan(30_000)
})
