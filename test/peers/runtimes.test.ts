// Bun and Deno with the package as it is published: a client and a server of ours in each, and between them and Node.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { connect } from '../../src/index.ts'
import { pattern } from '../support/bytes.ts'
import { describeWithPeers, type Peer, RUNTIMES } from './support/peers.ts'
import { endPrograms, Program } from './support/program.ts'
import { echo, startServer } from './support/server.ts'

// Children share the machine with whatever else runs.
vi.setConfig({ testTimeout: 60_000 })

const root = fileURLToPath(new URL('../..', import.meta.url))

const SERVER = `
import { serve } from 'openline'
const server = await serve(async (connection) => {
  for await (const message of connection) await connection.send(message)
}, { host: '127.0.0.1', port: 0 })
console.log('listening on ' + server.url)
`

/** Talks to the server whose address is its argument, and says what it saw. */
const CLIENT = `
import { connect, HandshakeRejectedError, reconnect } from 'openline'
const url = process.argv.at(-1)
const connection = await connect(url, { headers: { 'X-Token': 'abc' }, compression: true })
console.log('open', connection.extensions.split(';')[0])
await connection.send('héllo')
console.log('text', await connection.receive())
const bytes = Uint8Array.from({ length: 1000000 }, (_, index) => index % 251)
await connection.send(bytes)
const back = await connection.receive()
console.log('binary', back.length, back.every((byte, index) => byte === bytes[index]))
const text = 'compressed, '.repeat(10000)
await connection.send(text)
console.log('large', (await connection.receive()) === text)
await connection.send(['in ', 'pieces'])
console.log('pieces', await connection.receive())
console.log('ping', (await connection.ping()) >= 0)
const { code, clean } = await connection.close(4000, 'bye')
console.log('closed', code, clean)
for await (const again of reconnect(url, { backoff: 10 })) {
  await again.send('once more')
  console.log('again', await again.receive())
  break
}
try {
  await connect(url.replace(/:\\d+/, ':1'))
} catch (error) {
  console.log('refused', error.code)
}
`

const SEEN = [
  'open permessage-deflate',
  'text héllo',
  'binary 1000000 true',
  'large true',
  'pieces in pieces',
  'ping true',
  'closed 4000 true',
  'again once more',
  'refused WS_CONNECT_FAILED',
]

/** Build the package into a folder, where programs find it by its name. */
function installPackage(folder: string): void {
  const target = `${folder}/node_modules/openline`
  mkdirSync(target, { recursive: true })
  const { exports } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { exports: object }
  writeFileSync(`${folder}/package.json`, '{ "type": "module", "private": true }\n')
  writeFileSync(
    `${target}/package.json`,
    JSON.stringify({ name: 'openline', version: '0.0.0', type: 'module', exports }),
  )
  writeFileSync(`${folder}/server.mjs`, SERVER)
  writeFileSync(`${folder}/client.mjs`, CLIENT)
  const { status, stdout } = spawnSync(
    process.execPath,
    [
      'node_modules/typescript/bin/tsc',
      ...['-p', 'tsconfig.build.json', '--outDir', `${target}/dist`],
      // Types are checked elsewhere, and this has to be quick.
      ...[
        '--noCheck',
        '--declaration',
        'false',
        '--declarationMap',
        'false',
        '--isolatedDeclarations',
        'false',
      ],
      ...['--sourceMap', 'false'],
    ],
    { cwd: root, encoding: 'utf8' },
  )
  expect(stdout).toBe('')
  expect(status).toBe(0)
}

for (const runtime of ['Bun', 'Deno'] as const satisfies readonly Peer[]) {
  await describeWithPeers(runtime, [runtime], () => {
    let folder: string

    beforeAll(() => {
      mkdirSync(`${root}.cache`, { recursive: true })
      folder = mkdtempSync(`${root}.cache/runtimes-`)
      installPackage(folder)
    })
    afterAll(async () => {
      await endPrograms()
      rmSync(folder, { recursive: true, force: true })
    })

    function start(file: string, ...args: readonly string[]): Program {
      const { command, options } = RUNTIMES[runtime]
      const env = { DENO_NO_UPDATE_CHECK: '1', DENO_DIR: `${root}.cache/deno`, NO_COLOR: '1' }
      const program = new Program(command, [...options, `${folder}/${file}`, ...args], { env })
      onTestFinished(() => program.end())
      return program
    }

    async function startServerThere(): Promise<string> {
      return (await start('server.mjs').waitFor(/listening on (\S+)/))[1]!
    }

    test('talks to itself', async () => {
      const client = start('client.mjs', await startServerThere())
      expect(await client.exit(), client.stderr).toEqual({ code: 0, signal: null })
      expect(client.stderr).toBe('')
      expect(client.lines).toEqual(SEEN)
    })

    test('talks to a server on Node', async () => {
      const server = await startServer(echo)
      const client = start('client.mjs', server.url)
      expect(await client.exit(), client.stderr).toEqual({ code: 0, signal: null })
      expect(client.lines).toEqual(SEEN)
    })

    test('serves a client on Node', async () => {
      const url = await startServerThere()
      await using connection = await connect(url)
      expect(connection.extensions).toContain('permessage-deflate')
      for (const message of ['héllo', 'text, '.repeat(50_000), pattern(1024 * 1024 - 1)]) {
        await connection.send(message)
        const back = await connection.receive()
        expect(
          typeof message === 'string' ? back === message : Buffer.compare(back as Uint8Array, message),
        ).toBe(typeof message === 'string' ? true : 0)
      }
      expect(await connection.ping()).toBeGreaterThanOrEqual(0)
      expect(await connection.close(1000, 'bye')).toMatchObject({ code: 1000, clean: true })
    })
  })
}
