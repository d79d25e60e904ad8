// libwebsockets with compression, as client of our server and as server of our client.

import { deflateRawSync } from 'node:zlib'
import { expect, test, vi } from 'vitest'
import { type Connection, connect, type Message } from '../../src/index.ts'
import {
  PEER_LONG_SERIES,
  PEER_SHORT_SERIES,
  type PeerSetting,
  runTappedClients,
  startLibwebsocketsTestServer,
  startPeerServer,
  startPeerServers,
} from './support/deflate.ts'
import {
  type Agreement,
  ALWAYS,
  cut,
  EXTREMES,
  echoByTurns,
  expectAgreement,
  expectAgreements,
  expectFragments,
  expectNoneCompressed,
  expectSomeCompressed,
  LEVELS,
  LONG_SERIES,
  OPEN,
  PAIRWISE_AGREEMENTS,
  PLAIN,
  parseAgreement,
  runConnection,
  SHORT_SERIES,
  WINDOW_BITS,
} from './support/deflate-series.ts'
import { describeWithPeers } from './support/peers.ts'
import { startServer } from './support/server.ts'
import { startTap } from './support/tap.ts'

// Children share the machine with whatever else runs.
vi.setConfig({ testTimeout: 60_000 })

const peer = 'libwebsockets'

const COMPRESS = ['--compress']

/** Take what the server asks for. */
const OFFER = [...COMPRESS, '--offer', 'permessage-deflate; client_max_window_bits']

// A server that keeps its context cannot compress an empty message, and closes with 1011.
const NOT_EMPTY = SHORT_SERIES.filter(([, { length }]) => length > 0)
const LONG_NOT_EMPTY = LONG_SERIES.filter(([, { length }]) => length > 0)

await describeWithPeers('libwebsockets as client, with compression', [peer], () => {
  test('gets every combination that it asks for', async () => {
    const { url } = await startServer(echoCompressed, { compression: OPEN })
    const settings = PAIRWISE_AGREEMENTS.map((agreement) => toSetting(url, agreement, offer(agreement)))
    const outcomes = await runTappedClients(peer, settings, PEER_SHORT_SERIES)
    await expectAgreements(PAIRWISE_AGREEMENTS, async (_, index) => outcomes[index]!)
  })

  test('does whatever the server asks for', async () => {
    const starting = PAIRWISE_AGREEMENTS.map((agreement) =>
      startServer(echoCompressed, { compression: { ...ALWAYS, ...agreement } }),
    )
    const servers = await Promise.all(starting)
    const settings = PAIRWISE_AGREEMENTS.map((agreement, index) =>
      toSetting(servers[index]!.url, agreement, OFFER),
    )
    const outcomes = await runTappedClients(peer, settings, PEER_SHORT_SERIES)
    await expectAgreements(PAIRWISE_AGREEMENTS, async (_, index) => outcomes[index]!)
  })

  test('compresses at every level, and so does the server', async () => {
    const starting = LEVELS.map((level) =>
      // At level 0 nothing shrinks, and it must not get messages as they are.
      startServer(echoCompressed, { compression: { ...OPEN, level: Math.max(level, 1) } }),
    )
    const servers = await Promise.all(starting)
    const settings = LEVELS.map((level) =>
      toSetting(servers[level]!.url, PLAIN, [...OFFER, '--level', String(level)]),
    )
    const outcomes = await runTappedClients(peer, settings, PEER_SHORT_SERIES)
    for (const level of LEVELS) await expectAgreement(PLAIN, async () => outcomes[level]!)
  })

  test('gets messages of all sizes back, with context and without', async () => {
    const { url } = await startServer(echoCompressed, { compression: OPEN })
    const settings = EXTREMES.map((agreement) => toSetting(url, agreement, offer(agreement)))
    const outcomes = await runTappedClients(peer, settings, PEER_LONG_SERIES)
    for (const [index, agreement] of EXTREMES.entries()) {
      expectFragments(await expectAgreement(agreement, async () => outcomes[index]!))
    }
  })

  test('does without compression when it has none', async () => {
    const { url } = await startServer(echoByTurns, { compression: OPEN })
    const [outcome] = await runTappedClients(peer, [{ url, options: [] }], PEER_SHORT_SERIES)
    expectNoneCompressed(outcome!)
  })
})

await describeWithPeers('libwebsockets as server, with compression', [peer], () => {
  // A server takes no second offer in one header, so that we cannot ask for anything: it drops the connection. What it
  // is asked for it would not do either: it has one size of window, and confuses the directions of the two flags.
  test('does not mind the window of the client', async () => {
    const url = await startPeerServer(peer, COMPRESS)
    for (const clientMaxWindowBits of WINDOW_BITS) {
      const options = { ...OPEN, clientMaxWindowBits }
      await expectAgreement(PLAIN, () => runConnection(url, options, NOT_EMPTY))
    }
  })

  test('compresses at every level, and so does the client', async () => {
    const urls = await startPeerServers(
      peer,
      LEVELS.map((level) => [...COMPRESS, '--level', String(level)]),
    )
    for (const level of LEVELS) {
      await expectAgreement(PLAIN, () => runConnection(urls[level]!, { ...OPEN, level }, NOT_EMPTY))
    }
  })

  test('gives messages of all sizes back', async () => {
    const url = await startPeerServer(peer, COMPRESS)
    expectFragments(await expectAgreement(PLAIN, () => runConnection(url, OPEN, LONG_NOT_EMPTY)))
  })

  test('gives messages of all sizes back when the client chooses what it compresses', async () => {
    const url = await startPeerServer(peer, COMPRESS)
    const outcome = await runConnection(url, true, LONG_NOT_EMPTY)
    expect(outcome.agreed).toEqual(PLAIN)
    expectSomeCompressed(outcome)
  })

  test('does without compression when it has none', async () => {
    const url = await startPeerServer(peer, [])
    expectNoneCompressed(await runConnection(url, OPEN, SHORT_SERIES))
  })
})

await describeWithPeers(
  'the test server of libwebsockets, with compression',
  ['the test server of libwebsockets'],
  () => {
    test('sends its connections in JSON, compressed', async () => {
      const tap = await startTap(await startLibwebsocketsTestServer())
      const connection = await connect(tap.url, { subprotocols: ['lws-status'], compression: OPEN })
      expect(parseAgreement(connection.extensions)).toEqual(PLAIN)
      expect(JSON.parse(String(await connection.receive()))).toMatchObject({ conns: expect.any(Array) })
      // It takes what comes, and says nothing.
      await connection.send('to nobody '.repeat(100))
      expect(await connection.ping()).toBeGreaterThanOrEqual(0)
      expect(await connection.close()).toMatchObject({ code: 1000, clean: true })
      expect(tap.fromServer).toMatchObject({ messages: 1, compressed: 1 })
      expect(tap.fromClient).toMatchObject({ messages: 1, compressed: 1 })
    })
  },
)

/**
 * Send everything back compressed: in fragments where it does not shrink, since we send it as it is otherwise. As a
 * client the library hands a message over twice that was not compressed where that was agreed, whoever sent it.
 */
async function echoCompressed(connection: Connection): Promise<void> {
  for await (const message of connection) {
    await connection.send(shrinks(message) ? message : cut(message))
  }
}

function shrinks(message: Message): boolean {
  return deflateRawSync(message).length < message.length / 2
}

function toSetting(
  url: string,
  { clientNoContextTakeover }: Agreement,
  options: readonly string[],
): PeerSetting {
  return { url, options, leavesOutEmpty: !clientNoContextTakeover }
}

function offer(agreement: Agreement): string[] {
  const offer = ['permessage-deflate']
  if (agreement.serverNoContextTakeover) offer.push('server_no_context_takeover')
  if (agreement.clientNoContextTakeover) offer.push('client_no_context_takeover')
  offer.push(`server_max_window_bits=${agreement.serverMaxWindowBits}`)
  offer.push(`client_max_window_bits=${agreement.clientMaxWindowBits}`)
  return [...COMPRESS, '--offer', offer.join('; ')]
}
