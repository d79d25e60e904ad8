// Python's websockets, newest and Debian's, with compression, as clients of our server and as servers of our client.

import { expect, test, vi } from 'vitest'
import {
  PEER_LONG_SERIES,
  PEER_SHORT_SERIES,
  type PeerSeries,
  runTappedClients,
  startPeerServer,
  startPeerServers,
} from './support/deflate.ts'
import {
  type Agreement,
  ALWAYS,
  BRIEF_SERIES,
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
  type Outcome,
  PAIRWISE_AGREEMENTS,
  PLAIN,
  runConnection,
  SHORT_SERIES,
} from './support/deflate-series.ts'
import { describeWithPeers, PYTHON_NAMES, type Python, pythonPeer } from './support/peers.ts'
import { startServer } from './support/server.ts'

// Children share the machine with whatever else runs.
vi.setConfig({ testTimeout: 60_000 })

/** Offer, or take, what the other end asks for. */
const COMPRESS = ['--compress', '--client-max-window-bits', 'any']

/** What the library offers and asks for when nobody says anything. */
const DEFAULTS = ['--compress', '--server-max-window-bits', '12', '--client-max-window-bits', '12']

/** Most of the time of large messages goes by in zlib. */
const FASTEST = ['--level', '1']

for (const name of PYTHON_NAMES) await describePython(name)

async function describePython(python: Python): Promise<void> {
  const peer = pythonPeer('websockets', python) as 'the newest websockets' | "Debian's websockets"

  async function runClient(url: string, options: readonly string[], series: PeerSeries): Promise<Outcome> {
    const [outcome] = await runTappedClients(peer, [{ url, options }], series)
    return outcome!
  }

  await describeWithPeers(`${peer} as client, with compression`, [peer], () => {
    test('gets every combination that it asks for', async () => {
      const { url } = await startServer(echoByTurns, { compression: OPEN })
      const settings = PAIRWISE_AGREEMENTS.map((agreement) => ({ url, options: toOptions(agreement) }))
      const outcomes = await runTappedClients(peer, settings, PEER_SHORT_SERIES)
      await expectAgreements(PAIRWISE_AGREEMENTS, async (_, index) => outcomes[index]!)
    })

    test('does whatever the server asks for', async () => {
      const servers = PAIRWISE_AGREEMENTS.map((agreement) =>
        startServer(echoByTurns, { compression: { ...ALWAYS, ...agreement } }),
      )
      const settings = (await Promise.all(servers)).map(({ url }) => ({ url, options: COMPRESS }))
      const outcomes = await runTappedClients(peer, settings, PEER_SHORT_SERIES)
      await expectAgreements(PAIRWISE_AGREEMENTS, async (_, index) => outcomes[index]!)
    })

    test('compresses at every level, and so does the server', async () => {
      const servers = LEVELS.map((level) => startServer(echoByTurns, { compression: { ...OPEN, level } }))
      const settings = (await Promise.all(servers)).map(({ url }, level) => ({
        url,
        options: [...COMPRESS, '--level', String(level)],
      }))
      const outcomes = await runTappedClients(peer, settings, PEER_SHORT_SERIES)
      for (const level of LEVELS) await expectAgreement(PLAIN, async () => outcomes[level]!)
    })

    test('gets messages of all sizes back, with context and without', async () => {
      const { url } = await startServer(echoByTurns, { compression: OPEN })
      const settings = EXTREMES.map((agreement) => ({ url, options: [...toOptions(agreement), ...FASTEST] }))
      const outcomes = await runTappedClients(peer, settings, PEER_LONG_SERIES)
      for (const [index, agreement] of EXTREMES.entries()) {
        expectFragments(await expectAgreement(agreement, async () => outcomes[index]!))
      }
    })

    test('gets messages of all sizes back when both sides choose what they compress', async () => {
      const { url } = await startServer(echoByTurns)
      const outcome = await runClient(url, DEFAULTS, PEER_LONG_SERIES)
      expect(outcome.agreed).toEqual({ ...PLAIN, serverMaxWindowBits: 12, clientMaxWindowBits: 12 })
      expectSomeCompressed(outcome)
    })

    test('does without compression when it asks for a window that zlib does not have', async () => {
      const { url } = await startServer(echoByTurns, { compression: OPEN })
      const options = ['--compress', '--server-max-window-bits', '8']
      expectNoneCompressed(await runClient(url, options, PEER_SHORT_SERIES))
    })
  })

  await describeWithPeers(`${peer} as server, with compression`, [peer], () => {
    test('does whatever the client asks for', async () => {
      const url = await startPeerServer(peer, ['--compress'])
      await expectAgreements(
        PAIRWISE_AGREEMENTS,
        (agreement) => runConnection(url, { ...ALWAYS, ...agreement }, BRIEF_SERIES),
        // A client of ours chooses its own window, and does not say so.
        (asked) => ({ ...asked, clientMaxWindowBits: 15 }),
      )
    })

    test('gets every combination that it asks for', async () => {
      const urls = await startPeerServers(peer, PAIRWISE_AGREEMENTS.map(toOptions))
      await expectAgreements(PAIRWISE_AGREEMENTS, (_, index) =>
        runConnection(urls[index]!, OPEN, BRIEF_SERIES),
      )
    })

    test('compresses at every level, and so does the client', async () => {
      const settings = LEVELS.map((level) => ['--compress', '--level', String(level)])
      const urls = await startPeerServers(peer, settings)
      for (const level of LEVELS) {
        await expectAgreement(PLAIN, () => runConnection(urls[level]!, { ...OPEN, level }, SHORT_SERIES))
      }
    })

    test('gives messages of all sizes back, with context and without', async () => {
      const url = await startPeerServer(peer, ['--compress', ...FASTEST])
      for (const agreement of EXTREMES) {
        const run = (): Promise<Outcome> => runConnection(url, { ...OPEN, ...agreement }, LONG_SERIES)
        expectFragments(await expectAgreement(agreement, run))
      }
    })

    test('gives messages of all sizes back when both sides choose what they compress', async () => {
      const url = await startPeerServer(peer, DEFAULTS)
      const outcome = await runConnection(url, true, LONG_SERIES)
      expect(outcome.agreed).toEqual({ ...PLAIN, serverMaxWindowBits: 12, clientMaxWindowBits: 12 })
      expectSomeCompressed(outcome)
    })

    test('gets messages as they are when it asks for a window that zlib does not have', async () => {
      const url = await startPeerServer(peer, ['--compress', '--client-max-window-bits', '8'])
      const { agreed, tap, messages } = await runConnection(url, OPEN, SHORT_SERIES)
      expect(agreed).toEqual({ ...PLAIN, clientMaxWindowBits: 8 })
      expect(tap.fromClient).toMatchObject({ messages, compressed: 0 })
      expect(tap.fromServer).toMatchObject({ messages, compressed: messages })
    })

    test('does without compression when it has none', async () => {
      const url = await startPeerServer(peer, [])
      expectNoneCompressed(await runConnection(url, OPEN, SHORT_SERIES))
    })
  })
}

function toOptions(agreement: Agreement): string[] {
  const options = ['--compress']
  if (agreement.serverNoContextTakeover) options.push('--server-no-context-takeover')
  if (agreement.clientNoContextTakeover) options.push('--client-no-context-takeover')
  options.push('--server-max-window-bits', String(agreement.serverMaxWindowBits))
  options.push('--client-max-window-bits', String(agreement.clientMaxWindowBits))
  return options
}
