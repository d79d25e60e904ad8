// How ws and this library compress for each other, in both roles. Run it with each way of driving zlib.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type PerMessageDeflateOptions, WebSocket, WebSocketServer } from 'ws'
import { broadcast, type Connection, ConnectionClosedError } from '../../../src/index.ts'
import {
  type Agreement,
  ALWAYS,
  BRIEF_SERIES,
  cut,
  EXTREMES,
  echoByTurns,
  exchange,
  expectAgreement,
  expectAgreements,
  expectFragments,
  expectNoneCompressed,
  expectSomeCompressed,
  FLAGS,
  LEVELS,
  type Line,
  LONG_SERIES,
  OPEN,
  type Outcome,
  PAIRWISE_AGREEMENTS,
  PLAIN,
  runConnection,
  type Series,
  SHORT_SERIES,
  toOutcome,
} from './deflate-series.ts'
import { expectSame } from './messages.ts'
import { startServer } from './server.ts'
import { startTap } from './tap.ts'

/** Compress everything. */
const ALL: PerMessageDeflateOptions = { threshold: 0 }

/** Describe all of it; the given combinations of parameters are asked for by a client of ws. */
export function describeWs(agreements: readonly Agreement[]): void {
  describe('ws as client, with compression', () => {
    test('gets every combination that it asks for', async () => {
      const { url } = await startServer(echoByTurns, { compression: OPEN })
      await expectAgreements(agreements, (agreement) =>
        runClient(url, { ...ALL, ...agreement }, BRIEF_SERIES),
      )
    })

    test('does whatever the server asks for', async () => {
      for (const agreement of PAIRWISE_AGREEMENTS) {
        const { url } = await startServer(echoByTurns, { compression: { ...ALWAYS, ...agreement } })
        await expectAgreement(agreement, () => runClient(url, ALL, SHORT_SERIES))
      }
    })

    test('compresses at every level, and so does the server', async () => {
      for (const level of LEVELS) {
        const memLevel = Math.max(level, 1)
        const { url } = await startServer(echoByTurns, { compression: { ...OPEN, level, memLevel } })
        const options = { ...ALL, zlibDeflateOptions: { level, memLevel } }
        await expectAgreement(PLAIN, () => runClient(url, options, SHORT_SERIES))
      }
    })

    test('gets messages of all sizes back, with context and without', async () => {
      const { url } = await startServer(echoByTurns, { compression: OPEN })
      for (const agreement of EXTREMES) {
        const run = (): Promise<Outcome> => runClient(url, { ...ALL, ...agreement }, LONG_SERIES)
        expectFragments(await expectAgreement(agreement, run))
      }
    })

    test('gets messages of all sizes back when both sides choose what they compress', async () => {
      const { url } = await startServer(echoByTurns)
      const outcome = await runClient(url, true, LONG_SERIES)
      expect(outcome.agreed).toEqual({ ...PLAIN, serverMaxWindowBits: 12, clientMaxWindowBits: 12 })
      expectSomeCompressed(outcome)
    })

    test('shares the server with others that agreed on something else', async () => {
      const { url } = await startServer(echoByTurns, { compression: OPEN })
      const others = FLAGS.map((flags) => ({ ...flags, serverMaxWindowBits: 9, clientMaxWindowBits: 9 }))
      const runs = [...FLAGS, ...others].map((agreement) =>
        expectAgreement(agreement, () => runClient(url, { ...ALL, ...agreement }, SHORT_SERIES)),
      )
      await Promise.all(runs)
    })

    test('gets all that was sent before the server closes', async () => {
      const { url } = await startServer(
        async (connection) => {
          for (const [, message] of LONG_SERIES) void connection.send(message)
          await connection.close()
        },
        { compression: OPEN },
      )
      const client = new WebSocket(url, { perMessageDeflate: ALL })
      onTestFinished(() => client.terminate())
      const line = lineOfClient(client)
      const closed = once(client, 'close')
      for (const [name, message] of LONG_SERIES) expectSame(await line.receive(), message, name)
      expect((await closed)[0]).toBe(1000)
    })

    test('gets back what passes through the server in pieces', async () => {
      const { url } = await startServer(passOn, { compression: OPEN })
      // Nothing says of an empty stream of pieces whether it is text.
      const series = LONG_SERIES.filter(([, { length }]) => length > 0)
      await expectAgreement(PLAIN, () => runClient(url, ALL, series))
    })

    test('gets what is broadcast between messages of its own', async () => {
      const server = await startServer(
        async (connection) => {
          for await (const message of connection) {
            if (message === 'all') broadcast(server.connections, 'to all of you, the same '.repeat(100))
            else await connection.send(message)
          }
        },
        { compression: OPEN },
      )
      const lines = await Promise.all(
        FLAGS.map(async (flags) => {
          const client = new WebSocket(server.url, { perMessageDeflate: { ...ALL, ...flags } })
          onTestFinished(() => client.terminate())
          const line = lineOfClient(client)
          await once(client, 'open')
          return line
        }),
      )
      for (let round = 0; round < 3; round++) {
        for (const line of lines) {
          line.send(`one of my own, and the same ${round}`.repeat(10))
          expect(await line.receive()).toBe(`one of my own, and the same ${round}`.repeat(10))
        }
        lines[round]!.send('all')
        for (const line of lines) {
          expectSame(await line.receive(), 'to all of you, the same '.repeat(100))
        }
      }
    })
  })

  describe('ws as server, with compression', () => {
    test('does whatever the client asks for', async () => {
      const url = await serveWithWs(ALL)
      await expectAgreements(
        PAIRWISE_AGREEMENTS,
        (agreement) => runConnection(url, { ...ALWAYS, ...agreement }, BRIEF_SERIES),
        // A client of ours chooses its own window, and does not say so.
        (asked) => ({ ...asked, clientMaxWindowBits: 15 }),
      )
    })

    test('gets every combination that it asks for', async () => {
      for (const agreement of PAIRWISE_AGREEMENTS) {
        const url = await serveWithWs({ ...ALL, ...agreement })
        await expectAgreement(agreement, () => runConnection(url, OPEN, SHORT_SERIES))
      }
    })

    test('compresses at every level, and so does the client', async () => {
      for (const level of LEVELS) {
        const memLevel = Math.max(level, 1)
        const url = await serveWithWs({ ...ALL, zlibDeflateOptions: { level, memLevel } })
        await expectAgreement(PLAIN, () => runConnection(url, { ...OPEN, level, memLevel }, SHORT_SERIES))
      }
    })

    test('gives messages of all sizes back, with context and without', async () => {
      const url = await serveWithWs(ALL)
      for (const agreement of EXTREMES) {
        const run = (): Promise<Outcome> => runConnection(url, { ...OPEN, ...agreement }, LONG_SERIES)
        expectFragments(await expectAgreement(agreement, run))
      }
    })

    test('gives messages of all sizes back when both sides choose what they compress', async () => {
      const url = await serveWithWs(true)
      const outcome = await runConnection(url, true, LONG_SERIES)
      expect(outcome.agreed).toEqual(PLAIN)
      expectSomeCompressed(outcome)
    })

    test('accepts the plain offer when it wants to keep its context', async () => {
      const url = await serveWithWs({ ...ALL, serverNoContextTakeover: false })
      const options = { ...OPEN, serverNoContextTakeover: true }
      await expectAgreement(PLAIN, () => runConnection(url, options, SHORT_SERIES))
    })

    test('accepts the plain offer when it wants a larger window', async () => {
      const url = await serveWithWs({ ...ALL, serverMaxWindowBits: 14 })
      const options = { ...OPEN, serverMaxWindowBits: 10 }
      const agreement = { ...PLAIN, serverMaxWindowBits: 14 }
      await expectAgreement(agreement, () => runConnection(url, options, SHORT_SERIES))
    })

    test('does without compression when it has none', async () => {
      expectNoneCompressed(await runConnection(await serveWithWs(false), OPEN, SHORT_SERIES))
    })
  })
}

/** Send every message back while it comes, until the client closes. */
async function passOn(connection: Connection): Promise<void> {
  try {
    for (;;) await connection.send(connection.receiveStream())
  } catch (error) {
    if (!(error instanceof ConnectionClosedError)) throw error
  }
}

/** Have a client of ws send a series to us. */
async function runClient(
  url: string,
  perMessageDeflate: PerMessageDeflateOptions | true,
  series: Series,
): Promise<Outcome> {
  const tap = await startTap(url)
  const client = new WebSocket(tap.url, { perMessageDeflate })
  onTestFinished(() => client.terminate())
  let header = ''
  client.once('upgrade', ({ headers }) => {
    header = headers['sec-websocket-extensions'] ?? ''
  })
  const line = lineOfClient(client)
  await once(client, 'open')
  await exchange(line, series)
  client.close(1000)
  expect((await once(client, 'close'))[0]).toBe(1000)
  return toOutcome('server', header, tap, series)
}

function lineOfClient(client: WebSocket): Line {
  const messages: (string | Uint8Array)[] = []
  let wake: (() => void) | undefined
  client.on('message', (data, isBinary) => {
    messages.push(isBinary ? (data as Buffer) : String(data))
    wake?.()
  })
  client.on('close', () => wake?.())
  return {
    send: (message) => client.send(message),
    sendFragments: (message) =>
      sendFragments(client, Buffer.from(message as string), typeof message !== 'string'),
    receive: async () => {
      while (messages.length === 0) {
        if (client.readyState === WebSocket.CLOSED) throw new Error('the connection was lost')
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      return messages.shift()
    },
  }
}

/** Serve with ws until the test is over: everything comes back, every other message in fragments. */
async function serveWithWs(perMessageDeflate: PerMessageDeflateOptions | boolean): Promise<string> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate })
  server.on('connection', (socket) => {
    let count = 0
    socket.on('message', (data, isBinary) => {
      if (count++ % 2 === 0) socket.send(data, { binary: isBinary })
      else sendFragments(socket, data as Buffer, isBinary)
    })
  })
  await once(server, 'listening')
  onTestFinished(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

function sendFragments(socket: WebSocket, message: Buffer, binary: boolean): void {
  const fragments = cut(message)
  for (const [index, fragment] of fragments.entries()) {
    socket.send(fragment, { binary, fin: index === fragments.length - 1 })
  }
}
