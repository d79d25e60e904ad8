// Peers that compress, as child processes: echo servers, and clients that expect their messages back. They end with
// their test. Their options stand at the top of each program, in test/peers/go, test/peers/lws and test/peers/python.

import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, onTestFinished } from 'vitest'
import { type Outcome, parseAgreement } from './deflate-series.ts'
import { GORILLA, LIBWEBSOCKETS, LIBWEBSOCKETS_TEST_SERVER, PYTHONS } from './peers.ts'
import { Program } from './program.ts'
import { startTap } from './tap.ts'

interface PeerCommand {
  readonly command: readonly [command: string, ...args: string[]]
  /** One process does for many settings, which commas separate. */
  readonly takesMany: boolean
}

const PYTHON_SCRIPT = 'test/peers/python/deflate_peer.py'

const COMMANDS: Readonly<Record<DeflatePeer, PeerCommand>> = {
  'gorilla/websocket': { command: [GORILLA], takesMany: false },
  libwebsockets: { command: [LIBWEBSOCKETS], takesMany: false },
  'the newest websockets': { command: [PYTHONS.newest, PYTHON_SCRIPT], takesMany: true },
  "Debian's websockets": { command: [PYTHONS.Debian, PYTHON_SCRIPT], takesMany: true },
}

/**
 * What servers agree to: gorilla/websocket to both `no_context_takeover`, whatever is offered, and never to a window;
 * libwebsockets to the first offer, without its windows; Python's websockets to what is offered, as RFC 7692 says.
 * As clients gorilla/websocket offers both `no_context_takeover` and insists on both, libwebsockets offers what
 * `--offer` says, and Python's websockets what its options say.
 *
 * A server of libwebsockets confuses the two directions: what `server_no_context_takeover` and
 * `client_no_context_takeover` say of one it does in the other. Offer both, the latter alone, or none.
 */
export type DeflatePeer =
  | 'gorilla/websocket'
  | 'libwebsockets'
  | 'the newest websockets'
  | "Debian's websockets"

/**
 * What a client sends: its messages one by one, and the same at once. libwebsockets cannot compress those that are
 * empty unless `client_no_context_takeover` is agreed on, and leaves them out. In either role it aborts at some
 * messages of one byte thousands of times.
 */
export interface PeerSeries {
  readonly options: readonly string[]
  /** How many there are in both passes, how many of them are empty, and how many shrink a lot. */
  readonly messages: number
  readonly empty: number
  readonly shrinking: number
}

/** Messages of all sizes. */
export const PEER_LONG_SERIES: PeerSeries = { options: [], messages: 50, empty: 8, shrinking: 16 }

/** Messages up to 1 KiB, and one of 34 KiB that fills every window. */
export const PEER_SHORT_SERIES: PeerSeries = {
  options: ['--largest', '1024'],
  messages: 34,
  empty: 8,
  shrinking: 8,
}

/** What a client said. */
interface ClientRun {
  /** The header in which the server accepted extensions; empty when it did not. */
  readonly extensions: string
  /** How many messages came back as they were. */
  readonly messages: number
}

/** Start an echo server, and give its URL. */
export async function startPeerServer(peer: DeflatePeer, options: readonly string[] = []): Promise<string> {
  const [url] = await startPeerServers(peer, [options])
  return url!
}

/** Start echo servers, one for each list of options, and give their URLs. */
export async function startPeerServers(
  peer: DeflatePeer,
  settings: readonly (readonly string[])[],
): Promise<string[]> {
  const started = toBatches(peer, settings).map(async (batch) => {
    const [, ports] = await start(peer, 'server', joinSettings(batch)).waitFor(
      new RegExp(`^((?:\\d+\n){${batch.length}})`),
    )
    return ports!.trim().split('\n')
  })
  return (await Promise.all(started)).flat().map((port) => `ws://127.0.0.1:${port}/`)
}

/** Run clients to their ends; the URL is the last of each one's options. Rejects when a message came back changed. */
async function runPeerClients(
  peer: DeflatePeer,
  settings: readonly (readonly string[])[],
): Promise<ClientRun[]> {
  const runs: ClientRun[] = []
  for (const batch of toBatches(peer, settings)) {
    const program = start(peer, 'client', joinSettings(batch))
    const { code } = await program.exit()
    const said = [...program.stdout.matchAll(/^extensions: ?(.*)\n(\d+) messages came back as they were\n/gm)]
    if (code !== 0 || said.length !== batch.length) {
      const last = batch[said.length]?.join(' ')
      throw new Error(`${peer} ended with ${code} at ${last}, and said:\n${program.stdout}${program.stderr}`)
    }
    for (const [, extensions, messages] of said) {
      runs.push({ extensions: extensions!, messages: Number(messages) })
    }
  }
  return runs
}

/** Set up one client. */
export interface PeerSetting {
  readonly url: string
  readonly options: readonly string[]
  readonly leavesOutEmpty?: boolean
}

/** Run clients that speak to servers of ours, and note what became of each. */
export async function runTappedClients(
  peer: DeflatePeer,
  settings: readonly PeerSetting[],
  series: PeerSeries,
): Promise<Outcome[]> {
  const taps = await Promise.all(settings.map(({ url }) => startTap(url)))
  const runs = await runPeerClients(
    peer,
    settings.map(({ options }, index) => [...options, ...series.options, taps[index]!.url]),
  )
  return runs.map(({ extensions, messages }, index) => {
    const { empty, shrinking } = series
    expect(messages).toBe(series.messages - (settings[index]!.leavesOutEmpty === true ? empty : 0))
    return { agreed: parseAgreement(extensions), tap: taps[index]!, ours: 'server', messages, shrinking }
  })
}

function toBatches<Setting>(peer: DeflatePeer, settings: readonly Setting[]): (readonly Setting[])[] {
  return COMMANDS[peer].takesMany ? [settings] : settings.map((setting) => [setting])
}

function joinSettings(settings: readonly (readonly string[])[]): string[] {
  return settings.flatMap((options, index) => (index === 0 ? options : [',', ...options]))
}

/**
 * Start the test server of libwebsockets, and give its URL. It compresses for the subprotocol `lws-status` only: there
 * it sends a list of its connections in JSON whenever one opens, and ignores what it receives.
 */
export async function startLibwebsocketsTestServer(): Promise<string> {
  const port = await findFreePort()
  // It does not tell a port that the system chose, and says on standard error that it is ready.
  const command = `exec ${LIBWEBSOCKETS_TEST_SERVER} --interface lo --port ${port} --debug 15 2>&1`
  const program = new Program('sh', ['-c', command])
  onTestFinished(() => program.end())
  await program.waitFor(/-> OPERATIONAL\n/)
  return `ws://127.0.0.1:${port}/`
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function start(peer: DeflatePeer, role: 'server' | 'client', options: readonly string[]): Program {
  const [command, ...args] = COMMANDS[peer].command
  const program = new Program(command, [...args, role, ...options])
  onTestFinished(() => program.end())
  return program
}
