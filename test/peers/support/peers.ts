// Which real peers this machine has. Tests whose peers are missing are skipped, but in CI (CI=true) they fail.

import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, test } from 'vitest'

/** The Python of the newest libraries, and Debian's with the older ones. */
export const PYTHONS = { newest: '.cache/peers/venv/bin/python', Debian: '/usr/bin/python3' } as const

export type Python = keyof typeof PYTHONS

export const PYTHON_NAMES: readonly Python[] = ['newest', 'Debian']

/** Where Debian installs Chromium. */
export const CHROMIUM = '/usr/bin/chromium'

/** What scripts/install-peers.sh builds from test/peers/go and test/peers/lws. */
export const GORILLA = '.cache/peers/bin/gorilla'
export const LIBWEBSOCKETS = '.cache/peers/bin/libwebsockets'

/** Where Debian installs the test server of libwebsockets. */
export const LIBWEBSOCKETS_TEST_SERVER = '/usr/bin/libwebsockets-test-server'

/** Say how a program is run by another runtime. */
export interface Runtime {
  readonly command: string
  readonly options: readonly string[]
}

/** Other runtimes, which the benchmarks bring along, or which are installed otherwise. */
export const RUNTIMES: Readonly<Record<'Bun' | 'Deno', Runtime>> = {
  Bun: { command: findRuntime('@oven', 'bin/bun') ?? 'bun', options: ['--no-install'] },
  Deno: {
    command: findRuntime('@deno', 'deno') ?? 'deno',
    options: ['run', '--allow-net', '--allow-env', '--no-config', '--node-modules-dir=manual'],
  },
}

/** Find the program in the package for this machine. */
function findRuntime(scope: string, program: string): string | undefined {
  const folder = fileURLToPath(new URL(`../../../benchmarks/node_modules/${scope}`, import.meta.url))
  const names = existsSync(folder) ? readdirSync(folder) : []
  return names.map((name) => `${folder}/${name}/${program}`).find((path) => existsSync(path))
}

export type Peer =
  | 'Bun'
  | 'curl'
  | 'Deno'
  | 'Chromium'
  | 'the newest websockets'
  | 'the newest websocket-client'
  | "Debian's websockets"
  | "Debian's websocket-client"
  | 'gorilla/websocket'
  | 'libwebsockets'
  | 'the test server of libwebsockets'
  | 'squid'
  | 'tinyproxy'
  | 'dante'
  | 'microsocks'

const PROBES: Readonly<Record<Peer, readonly [command: string, ...args: string[]]>> = {
  Bun: [RUNTIMES.Bun.command, '--version'],
  curl: ['curl', '--version'],
  Deno: [RUNTIMES.Deno.command, '--version'],
  Chromium: [CHROMIUM, '--version'],
  'the newest websockets': [PYTHONS.newest, '-c', 'import websockets'],
  'the newest websocket-client': [PYTHONS.newest, '-c', 'import websocket'],
  "Debian's websockets": [PYTHONS.Debian, '-c', 'import websockets'],
  "Debian's websocket-client": [PYTHONS.Debian, '-c', 'import websocket'],
  'gorilla/websocket': [GORILLA, 'version'],
  libwebsockets: [LIBWEBSOCKETS, 'version'],
  // It has no option that prints something and ends well.
  'the test server of libwebsockets': ['test', '-x', LIBWEBSOCKETS_TEST_SERVER],
  squid: ['/usr/sbin/squid', '-v'],
  tinyproxy: ['tinyproxy', '-v'],
  dante: ['/usr/sbin/danted', '-v'],
  // Nor has this one.
  microsocks: ['test', '-x', '/usr/bin/microsocks'],
}

export const PEERS: readonly Peer[] = Object.keys(PROBES) as Peer[]

/** Name a Python library of one of the Pythons. */
export function pythonPeer(library: 'websockets' | 'websocket-client', python: Python): Peer {
  return `${python === 'newest' ? 'the newest' : "Debian's"} ${library}`
}

/** Give those of the peers that this machine lacks. */
export async function findMissing(peers: readonly Peer[]): Promise<Peer[]> {
  const found = await Promise.all(peers.map(isInstalled))
  return peers.filter((_, index) => !found[index])
}

function isInstalled(peer: Peer): Promise<boolean> {
  const [command, ...args] = PROBES[peer]
  return new Promise((resolve) => {
    execFile(command, args, { timeout: 30_000 }, (error) => resolve(error === null))
  })
}

/** Say in one line what is missing, and how to get it. */
export function explainMissing(missing: readonly Peer[]): string {
  return `missing: ${missing.join(', ')}; scripts/install-peers.sh installs them`
}

export const isCi: boolean = process.env.CI === 'true'

/** Describe tests that need peers. Await it, so that vitest collects them. */
export async function describeWithPeers(
  name: string,
  peers: readonly Peer[],
  body: () => void,
): Promise<void> {
  const missing = await findMissing(peers)
  if (missing.length === 0) {
    describe(name, body)
  } else if (isCi) {
    test(name, () => {
      throw new Error(explainMissing(missing))
    })
  } else {
    describe.skip(`${name} (${explainMissing(missing)})`, body)
  }
}
