// The servers that are compared, how each is started, and whether it can run on this machine.

import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Command, startServer } from './harness/process.ts'
import type { Work } from './works.ts'

export type PeerName = 'openline' | 'ws' | 'ws-bufferutil' | 'uws' | 'bun' | 'deno'

export interface Peer {
  readonly name: PeerName
  readonly title: string
  /** Ways to start it, best first; throws if there is none. */
  commands(node: string, style: Work['style']): readonly Command[]
}

/** A peer after its first start: a command that works and what it said of itself, or why there is none. */
export type Probe =
  | { readonly peer: Peer; readonly command: Command; readonly version: string; readonly runtime: string }
  | { readonly peer: Peer; readonly reason: string }

// The optional native helpers of ws may lie in node_modules because another peer brings them along; its
// documentation calls them optional, so the plain ws is measured without. Beside it stands ws with them:
// for large messages they make most of the difference, and the targets must hold against that.
const withoutHelpers = { WS_NO_BUFFER_UTIL: '1', WS_NO_UTF_8_VALIDATE: '1' }

export const peers: readonly Peer[] = [
  {
    name: 'openline',
    title: 'openline',
    commands(node, style) {
      if (!existsSync(path('../dist/index.js'))) throw new Error('it is not built: npm run build')
      return [nodeServer(node, style === 'callback' ? 'openline.mjs' : 'openline-for-await.mjs')]
    },
  },
  {
    name: 'ws',
    title: 'ws',
    commands: (node) => [nodeServer(node, 'ws.mjs', withoutHelpers)],
  },
  {
    name: 'ws-bufferutil',
    title: 'ws + bufferutil',
    commands(node) {
      if (!existsSync(path('node_modules/bufferutil'))) throw new Error('bufferutil is not installed')
      return [nodeServer(node, 'ws.mjs')]
    },
  },
  {
    name: 'uws',
    title: 'uWebSockets.js',
    // Its binaries end at Node 20: where the Node under test is newer, the harness's own may still do.
    commands: (node) => [nodeServer(node, 'uws.mjs'), nodeServer(process.execPath, 'uws.mjs')],
  },
  {
    name: 'bun',
    title: 'Bun',
    commands: () =>
      binaries('node_modules/@oven', 'bin/bun').map((file) => ({
        file,
        args: ['--no-install', path('servers/bun.mjs')],
      })),
  },
  {
    name: 'deno',
    title: 'Deno',
    commands: () =>
      binaries('node_modules/@deno', 'deno').map((file) => ({
        file,
        args: [
          ...['run', '--no-config', '--no-npm', '--no-remote', '--node-modules-dir=none'],
          ...['--allow-net', '--allow-env', '--allow-read', path('servers/deno.mjs')],
        ],
        environment: { DENO_DIR: path('.cache/deno'), DENO_NO_UPDATE_CHECK: '1' },
      })),
  },
]

/** Starts a peer once to see whether it runs here. */
export async function probe(peer: Peer, node: string, style: Work['style']): Promise<Probe> {
  let reason = 'no way to start it'
  try {
    for (const command of peer.commands(node, style)) {
      try {
        const server = await startServer(command)
        await server.stop()
        return { peer, command, version: server.version, runtime: server.runtime }
      } catch (error) {
        reason = (error as Error).message
      }
    }
  } catch (error) {
    reason = (error as Error).message
  }
  // Results are published; where the project lies on this machine is nobody's business.
  return { peer, reason: reason.replaceAll(path('..'), '') }
}

function path(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url))
}

function nodeServer(node: string, file: string, environment: Record<string, string> = {}): Command {
  return { file: node, args: [path(`servers/${file}`)], environment }
}

/** The runtime's binaries that npm installed for this platform; their launchers would be processes of their own. */
function binaries(scope: string, file: string): string[] {
  const folder = path(scope)
  const found = existsSync(folder) ? readdirSync(folder).map((name) => `${folder}/${name}/${file}`) : []
  const files = found.filter((candidate) => existsSync(candidate))
  if (files.length === 0) throw new Error('npm has no binary of it for this platform')
  return files
}
