// The programs that are compared, and how each is started for a work.

import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Command } from './harness/process.ts'
import type { Work } from './works.ts'

export type PeerName =
  | 'openline'
  | 'ws'
  | 'ws-bufferutil'
  | 'uws'
  | 'bun'
  | 'deno'
  | 'undici'
  | 'python'
  | 'node-alone'

export interface Peer {
  readonly name: PeerName
  readonly title: string
  /** True when it runs on the Node that is asked for, and is measured on each. */
  readonly isOnNode: boolean
  readonly roles: readonly ('server' | 'client')[]
  /** The works that it can do; all of its roles if absent. */
  readonly works?: readonly string[]
  /** How to start it; throws if it is not there. Only peers on Node look at `node`. */
  command(role: 'server' | 'client', node: string): Command
}

// The optional native helpers of ws may lie in node_modules because another peer brings them along; its
// documentation calls them optional, so the plain ws is measured without. Beside it stands ws with them:
// for large messages they make most of the difference, and the targets must hold against that.
const withoutHelpers = { WS_NO_BUFFER_UTIL: '1', WS_NO_UTF_8_VALIDATE: '1' }

export const peers: readonly Peer[] = [
  {
    name: 'openline',
    title: 'openline',
    isOnNode: true,
    roles: ['server', 'client'],
    command(role, node) {
      if (!existsSync(path('../dist/index.js'))) throw new Error('it is not built: npm run build')
      return onNode(node, `${role}s/openline.mjs`)
    },
  },
  {
    name: 'ws',
    title: 'ws',
    isOnNode: true,
    roles: ['server', 'client'],
    command: (role, node) => onNode(node, `${role}s/ws.mjs`, withoutHelpers),
  },
  {
    name: 'ws-bufferutil',
    title: 'ws + bufferutil',
    isOnNode: true,
    roles: ['server', 'client'],
    command(role, node) {
      if (!existsSync(path('node_modules/bufferutil'))) throw new Error('bufferutil is not installed')
      return onNode(node, `${role}s/ws.mjs`)
    },
  },
  {
    name: 'uws',
    title: 'uWebSockets.js',
    // Its binaries on npm end at Node 20, on which the harness runs.
    isOnNode: false,
    roles: ['server'],
    command: (role) => onNode(process.execPath, `${role}s/uws.mjs`),
  },
  {
    name: 'bun',
    title: 'Bun',
    isOnNode: false,
    roles: ['server'],
    command: () => ({
      file: binary('node_modules/@oven', 'bin/bun'),
      args: ['--no-install', path('servers/bun.mjs')],
    }),
  },
  {
    name: 'node-alone',
    title: 'Node alone',
    isOnNode: true,
    roles: ['server'],
    works: ['row1', 'row2', 'row3', 'row4', 'row5', 'broadcast', 'handshake', 'memory'],
    command: (role, node) => onNode(node, `${role}s/node-alone.mjs`),
  },
  {
    name: 'deno',
    title: 'Deno',
    isOnNode: false,
    roles: ['server'],
    command: () => ({
      file: binary('node_modules/@deno', 'deno'),
      args: [
        ...['run', '--no-config', '--no-npm', '--no-remote', '--node-modules-dir=none'],
        ...['--allow-net', '--allow-env', '--allow-read', '--allow-sys', '--v8-flags=--expose-gc'],
        path('servers/deno.mjs'),
      ],
      environment: { DENO_DIR: path('.cache/deno'), DENO_NO_UPDATE_CHECK: '1' },
    }),
  },
  {
    name: 'undici',
    title: 'undici',
    isOnNode: true,
    roles: ['client'],
    command: (role, node) => onNode(node, `${role}s/undici.mjs`),
  },
  {
    name: 'python',
    title: 'Python websockets',
    isOnNode: false,
    roles: ['server', 'client'],
    command(role) {
      const own = path('../.cache/peers/venv/bin/python')
      return { file: existsSync(own) ? own : 'python3', args: [path(`${role}s/python_websockets.py`)] }
    },
  },
]

/** Tell whether a peer takes part in a work. */
export function takesPart(peer: Peer, work: Work): boolean {
  return (
    peer.roles.includes(roleUnderTest(work)) &&
    (work.peers?.includes(peer.name) ?? true) &&
    (peer.works?.includes(work.name) ?? true)
  )
}

/** Tell which end of the line is measured. */
export function roleUnderTest(work: Work): 'server' | 'client' {
  return work.mode === 'serve' ? 'client' : 'server'
}

function path(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url))
}

function onNode(node: string, file: string, environment: Record<string, string> = {}): Command {
  // The works that measure memory collect before they look.
  return { file: node, args: ['--expose-gc', path(file)], environment }
}

/** The runtime's binary that npm installed for this platform; its launcher would be a process of its own. */
function binary(scope: string, file: string): string {
  const folder = path(scope)
  const found = existsSync(folder) ? readdirSync(folder).map((name) => `${folder}/${name}/${file}`) : []
  const first = found.find((candidate) => existsSync(candidate))
  if (first === undefined) throw new Error('npm has no binary of it for this platform')
  return first
}
