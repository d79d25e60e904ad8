// How Go's gorilla/websocket and this library compress for each other, in both roles. Run it with each way of driving
// zlib. It keeps no context, whatever it is asked for, and has one size of window.

import { expect, test } from 'vitest'
import {
  PEER_LONG_SERIES,
  PEER_SHORT_SERIES,
  runTappedClients,
  startPeerServer,
  startPeerServers,
} from './deflate.ts'
import {
  ALWAYS,
  BRIEF_SERIES,
  echoByTurns,
  expectAgreement,
  expectFragments,
  expectNoneCompressed,
  expectSomeCompressed,
  FLAGS,
  LONG_SERIES,
  OPEN,
  PAIRWISE_AGREEMENTS,
  PLAIN,
  runConnection,
  SHORT_SERIES,
  WINDOW_BITS,
} from './deflate-series.ts'
import { describeWithPeers } from './peers.ts'
import { startServer } from './server.ts'

const peer = 'gorilla/websocket'

const COMPRESS = ['--compress']

// -2 uses Huffman's codes only, -1 is the default.
const GO_LEVELS = [-2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

/** What it agrees to. */
const NO_CONTEXT = { ...PLAIN, serverNoContextTakeover: true, clientNoContextTakeover: true }

/** Describe all of it. */
export async function describeGorilla(): Promise<void> {
  await describeWithPeers('gorilla/websocket as client, with compression', [peer], () => {
    test("gets its way without context, whatever the server's options", async () => {
      const agreements = FLAGS.flatMap((flags) =>
        WINDOW_BITS.map((serverMaxWindowBits) => ({ ...flags, serverMaxWindowBits })),
      )
      const servers = agreements.map((agreement) =>
        startServer(echoByTurns, { compression: { ...ALWAYS, ...agreement } }),
      )
      const settings = (await Promise.all(servers)).map(({ url }) => ({ url, options: COMPRESS }))
      const outcomes = await runTappedClients(peer, settings, PEER_SHORT_SERIES)
      for (const [index, { serverMaxWindowBits }] of agreements.entries()) {
        await expectAgreement({ ...NO_CONTEXT, serverMaxWindowBits }, async () => outcomes[index]!)
      }
    })

    test('compresses at every level, and so does the server', async () => {
      const servers = GO_LEVELS.map((level) =>
        startServer(echoByTurns, { compression: { ...OPEN, level: Math.max(level, 0) } }),
      )
      const settings = (await Promise.all(servers)).map(({ url }, index) => ({
        url,
        options: [...COMPRESS, '--level', String(GO_LEVELS[index])],
      }))
      const outcomes = await runTappedClients(peer, settings, PEER_SHORT_SERIES)
      for (const outcome of outcomes) await expectAgreement(NO_CONTEXT, async () => outcome)
    })

    test('gets messages of all sizes back', async () => {
      const { url } = await startServer(echoByTurns, { compression: OPEN })
      const [outcome] = await runTappedClients(peer, [{ url, options: COMPRESS }], PEER_LONG_SERIES)
      expectFragments(await expectAgreement(NO_CONTEXT, async () => outcome!))
    })

    test('gets messages of all sizes back when the server chooses what it compresses', async () => {
      const { url } = await startServer(echoByTurns)
      const [outcome] = await runTappedClients(peer, [{ url, options: COMPRESS }], PEER_LONG_SERIES)
      expect(outcome!.agreed).toEqual({ ...NO_CONTEXT, serverMaxWindowBits: 12 })
      expectSomeCompressed(outcome!)
    })

    test('does without compression when it has none', async () => {
      const { url } = await startServer(echoByTurns, { compression: OPEN })
      const [outcome] = await runTappedClients(peer, [{ url, options: [] }], PEER_SHORT_SERIES)
      expectNoneCompressed(outcome!)
    })
  })

  await describeWithPeers('gorilla/websocket as server, with compression', [peer], () => {
    test('gets its way without context, whatever the client asks for', async () => {
      const url = await startPeerServer(peer, COMPRESS)
      for (const asked of PAIRWISE_AGREEMENTS) {
        const run = () => runConnection(url, { ...ALWAYS, ...asked }, BRIEF_SERIES)
        await expectAgreement(NO_CONTEXT, run)
      }
    })

    test('compresses at every level, and so does the client', async () => {
      const urls = await startPeerServers(
        peer,
        GO_LEVELS.map((level) => [...COMPRESS, '--level', String(level)]),
      )
      for (const [index, level] of GO_LEVELS.entries()) {
        const options = { ...OPEN, level: Math.max(level, 0) }
        await expectAgreement(NO_CONTEXT, () => runConnection(urls[index]!, options, SHORT_SERIES))
      }
    })

    test('gives messages of all sizes back', async () => {
      const url = await startPeerServer(peer, COMPRESS)
      expectFragments(await expectAgreement(NO_CONTEXT, () => runConnection(url, OPEN, LONG_SERIES)))
    })

    test('gives messages of all sizes back when the client chooses what it compresses', async () => {
      const url = await startPeerServer(peer, COMPRESS)
      const outcome = await runConnection(url, true, LONG_SERIES)
      expect(outcome.agreed).toEqual(NO_CONTEXT)
      expectSomeCompressed(outcome)
    })

    test('does without compression when it has none', async () => {
      const url = await startPeerServer(peer, [])
      expectNoneCompressed(await runConnection(url, OPEN, SHORT_SERIES))
    })
  })
}
