// Real proxies, each started on a free port of the loopback for one test file.

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, connect as tcpConnect } from 'node:net'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Peer } from './peers.ts'
import { PATIENCE, Program } from './program.ts'

/** The user that proxies with a password know. */
export const USER = { username: 'ann', password: 's3cr3t' } as const

/** What a proxy is started with: its command, with a configuration in the folder. */
type Start = (folder: string, port: number, hasUser: boolean) => readonly [string, ...string[]]

const tinyproxy: Start = (folder, port, hasUser) => {
  const lines = [`Port ${port}`, 'Listen 127.0.0.1', 'Timeout 60', 'MaxClients 20', 'Allow 127.0.0.1']
  if (hasUser) lines.push(`BasicAuth ${USER.username} ${USER.password}`)
  writeFileSync(`${folder}/conf`, `${lines.join('\n')}\n`)
  return ['tinyproxy', '-d', '-c', `${folder}/conf`]
}

const squid: Start = (folder, port, hasUser) => {
  const pair = `${USER.username} ${USER.password}`
  writeFileSync(
    `${folder}/user.sh`,
    `while read -r line; do [ "$line" = "${pair}" ] && echo OK || echo ERR; done\n`,
  )
  const lines = [
    `http_port 127.0.0.1:${port}`,
    'visible_hostname localhost',
    `pid_filename ${folder}/pid`,
    `cache_log ${folder}/log`,
    `coredump_dir ${folder}`,
    'access_log none',
    'netdb_filename none',
    'pinger_enable off',
    'cache deny all',
    'cache_mem 1 MB',
    'shutdown_lifetime 0 seconds',
    ...(hasUser
      ? [`auth_param basic program /bin/sh ${folder}/user.sh`, 'acl known proxy_auth REQUIRED']
      : []),
    `http_access allow ${hasUser ? 'known' : 'all'}`,
  ]
  writeFileSync(`${folder}/conf`, `${lines.join('\n')}\n`)
  return ['squid', '-N', '-f', `${folder}/conf`]
}

const dante: Start = (folder, port) => {
  const rule = '{ from: 127.0.0.0/8 to: 0.0.0.0/0 }'
  const lines = [
    'logoutput: stderr',
    `internal: 127.0.0.1 port = ${port}`,
    'external: 127.0.0.1',
    'clientmethod: none',
    'socksmethod: none',
    `client pass ${rule}`,
    `socks pass ${rule}`,
  ]
  writeFileSync(`${folder}/conf`, `${lines.join('\n')}\n`)
  return ['danted', '-f', `${folder}/conf`, '-p', `${folder}/pid`, '-N', '1']
}

const microsocks: Start = (_folder, port, hasUser) => [
  'microsocks',
  ...['-i', '127.0.0.1', '-p', String(port)],
  ...(hasUser ? ['-u', USER.username, '-P', USER.password] : []),
]

type ProxyPeer = Extract<Peer, 'tinyproxy' | 'squid' | 'dante' | 'microsocks'>

const PROXIES: Readonly<Record<ProxyPeer, Start>> = { tinyproxy, squid, dante, microsocks }

/** A proxy that runs until `end`. */
export interface RealProxy {
  readonly port: number
  end(): Promise<void>
}

/** Start a proxy, which knows `USER` alone when told so. */
export async function startRealProxy(name: ProxyPeer, hasUser: boolean): Promise<RealProxy> {
  const folder = mkdtempSync(`${tmpdir()}/openline-proxy-`)
  // Squid gives up being root.
  chmodSync(folder, 0o777)
  for (let attempt = 1; ; attempt++) {
    const port = await findFreePort()
    const [command, ...args] = PROXIES[name](folder, port, hasUser)
    const program = new Program(command, args, {
      env: { PATH: `${process.env.PATH}:/usr/sbin` },
      group: true,
    })
    const end = async (): Promise<void> => {
      await program.end()
      rmSync(folder, { recursive: true, force: true })
    }
    if (await isListening(program, port)) return { port, end }
    await program.end()
    // The port was free a moment ago; somebody else can have taken it since.
    if (attempt === 3) throw new Error(`${name} does not listen\n${program.stdout}${program.stderr}`)
  }
}

async function isListening(program: Program, port: number): Promise<boolean> {
  let hasEnded = false
  void program.exit().then(
    () => {
      hasEnded = true
    },
    () => {},
  )
  const deadline = performance.now() + PATIENCE
  while (performance.now() < deadline && !hasEnded) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = tcpConnect(port, '127.0.0.1')
      socket.on('connect', () => {
        socket.destroy()
        resolve(true)
      })
      socket.on('error', () => resolve(false))
    })
    if (isOpen) return true
    await sleep(30)
  }
  return false
}

async function findFreePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
