// A server among hostile clients: a well-behaved one beside them notices nothing, and memory stays in bounds.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connect } from '../../src/index.ts'
import { concat, hex } from '../support/bytes.ts'
import { handshake, masked, RawClient } from '../support/raw-client.ts'
import type { Report } from './server-process.ts'

const MIB = 1024 * 1024

/** Start the server process, under a limit of open files if one is given. */
async function startProcess(mostFiles?: number): Promise<ServerProcess> {
  const script = fileURLToPath(new URL('./server-process.ts', import.meta.url))
  const command = [process.execPath, '--expose-gc', '--import', 'tsx', script]
  if (mostFiles !== undefined) command.unshift('sh', '-c', `ulimit -n ${mostFiles} && exec "$0" "$@"`)
  const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [message] = await once(child, 'message')
  return new ServerProcess(child, (message as { port: number }).port)
}

class ServerProcess {
  readonly port: number
  readonly host = '127.0.0.1'
  readonly #child: ChildProcess
  #asked: Promise<unknown> = Promise.resolve()

  constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
  }

  get url(): string {
    return `ws://${this.host}:${this.port}/`
  }

  /** Ask what it holds. */
  async report(): Promise<Report> {
    return (await this.#ask('report')) as Report
  }

  /** Wait until its loop has turned. */
  async turn(): Promise<void> {
    await this.#ask('turn')
  }

  /** One question at a time. */
  #ask(question: 'report' | 'turn'): Promise<unknown> {
    const next = this.#asked.then(async () => {
      const answer = once(this.#child, 'message')
      this.#child.send(question)
      return (await answer)[0]
    })
    this.#asked = next
    return next
  }
}

/** Open connections by hand. */
function openMany(server: ServerProcess, count: number): Promise<RawClient[]> {
  return Promise.all(Array.from({ length: count }, () => RawClient.open(server)))
}

/** Echo without a pause until the work beside it is done, and give the number of echoes. */
async function beWellBehaved(url: string, work: Promise<unknown>): Promise<number> {
  await using connection = await connect(url)
  let isDone = false
  const settled = work.finally(() => {
    isDone = true
  })
  let echoes = 0
  while (!isDone) {
    const text = `message ${echoes++}`
    await connection.send(text)
    expect(await connection.receive()).toBe(text)
  }
  await settled
  expect(connection.state).toBe('open')
  return echoes
}

/** Bytes that look random and are the same in every run. */
function noise(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = seed * 2654435761 + 1
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[index] = state >>> 24
  }
  return bytes
}

/** Write until the system takes no more, at most `most` times; then the peer has stopped reading. */
async function flood(
  server: ServerProcess,
  client: RawClient,
  bytes: Uint8Array,
  most: number,
): Promise<void> {
  client.socket.pause()
  for (let turn = 0; turn < most && !client.socket.destroyed; turn++) {
    if (client.socket.write(bytes)) continue
    const drained = new Promise((resolve) => client.socket.once('drain', resolve))
    // A server whose loop has turned so often and that takes nothing has stopped reading.
    const isStuck = await Promise.race([drained.then(() => false), client.ended, turns(server, 20)])
    if (isStuck !== false) return
  }
}

async function turns(server: ServerProcess, count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await server.turn()
}

describe('beside a well-behaved client', () => {
  const attacks: [string, (server: ServerProcess) => Promise<void>][] = [
    [
      'random bytes after the handshake end their own connections',
      async (server) => {
        const clients = await openMany(server, 100)
        for (const [index, client] of clients.entries()) client.write(noise(index, 4096))
        for (const client of clients) {
          client.socket.end()
          await client.ended
        }
      },
    ],
    [
      'random bytes instead of a handshake end their own connections',
      async (server) => {
        for (let turn = 0; turn < 100; turn++) {
          const client = await RawClient.connect(server)
          client.write(noise(turn, 20_000))
          client.socket.end()
          await client.ended
        }
      },
    ],
    [
      'frames that are announced and never come cost nothing',
      async (server) => {
        const before = await server.report()
        const clients = await openMany(server, 200)
        // A binary frame of 1 MiB, of which ten bytes come.
        const half = concat(hex('82 ff 00 00 00 00 00 10 00 00 01 02 03 04'), new Uint8Array(10))
        await Promise.all(clients.map((client) => client.writeAndDrain(half)))
        const during = await server.report()
        expect(during.connections).toBeGreaterThanOrEqual(200)
        expect(during.memory - before.memory).toBeLessThan(16 * MIB)
        for (const client of clients) client.reset()
      },
    ],
    [
      'resets at every stage harm nobody',
      async (server) => {
        for (let turn = 0; turn < 300; turn++) {
          const client = turn % 3 === 0 ? await RawClient.connect(server) : await RawClient.open(server)
          if (turn % 3 === 0) await client.writeAndDrain(handshake().slice(0, turn))
          if (turn % 3 === 1) await client.writeAndDrain(masked(0x81, 'Hello'))
          client.reset()
        }
      },
    ],
    [
      'pings of clients that never read their pongs do not pile up',
      async (server) => {
        const before = await server.report()
        const clients = await openMany(server, 10)
        const ping = masked(0x89, new Uint8Array(125))
        const pings = concat(...Array.from({ length: 1000 }, () => ping))
        // 10 MiB of pings from each.
        await Promise.all(clients.map((client) => flood(server, client, pings, 80)))
        const during = await server.report()
        expect(during.memory - before.memory).toBeLessThan(16 * MIB)
        for (const client of clients) client.reset()
      },
    ],
    [
      'messages of clients that never read their echoes do not pile up',
      async (server) => {
        const before = await server.report()
        const clients = await openMany(server, 10)
        const message = masked(0x82, new Uint8Array(32 * 1024))
        await Promise.all(clients.map((client) => flood(server, client, message, 1000)))
        const during = await server.report()
        // Each may hold a queue of 16 messages, and what waits to be sent.
        expect(during.memory - before.memory).toBeLessThan(32 * MIB)
        for (const client of clients) client.reset()
      },
    ],
    [
      'empty fragments without an end cost nothing, and are ended',
      async (server) => {
        const before = await server.report()
        const clients = await openMany(server, 8)
        const empty = masked(0x00)
        const fragments = concat(...Array.from({ length: 1000 }, () => empty))
        await Promise.all(
          clients.map(async (client) => {
            await client.writeAndDrain(masked(0x01))
            for (let turn = 0; turn < 100; turn++) await client.writeAndDrain(fragments)
          }),
        )
        const during = await server.report()
        expect(during.memory - before.memory).toBeLessThan(16 * MIB)
        await Promise.all(
          clients.map(async (client) => {
            for (let turn = 0; turn < 32; turn++) client.write(fragments)
            expect((await client.readClose()).code).toBe(1009)
            await client.ended
          }),
        )
      },
    ],
    [
      'fragments of one byte cost little more than their bytes',
      async (server) => {
        const before = await server.report()
        const clients = await openMany(server, 8)
        const one = masked(0x00, Uint8Array.of(1))
        const fragments = concat(...Array.from({ length: 1000 }, () => one))
        await Promise.all(
          clients.map(async (client) => {
            await client.writeAndDrain(masked(0x02))
            for (let turn = 0; turn < 100; turn++) await client.writeAndDrain(fragments)
          }),
        )
        const during = await server.report()
        // 800,000 fragments: objects of 100 bytes for each would be 80 MB.
        expect(during.memory - before.memory).toBeLessThan(16 * MIB)
        for (const client of clients) client.reset()
      },
    ],
  ]

  test.each(attacks)('%s', { timeout: 30_000 }, async (_what, attack) => {
    const server = await startProcess()
    const before = await server.report()
    expect(await beWellBehaved(server.url, attack(server))).toBeGreaterThan(0)
    // All of them are gone, and so is what they held.
    const after = await until(
      () => server.report(),
      ({ connections }) => connections === 0,
    )
    expect(after.memory - before.memory).toBeLessThan(8 * MIB)
    expect(after.log).toEqual([])
  })
})

test('a process that has no more files open keeps its connections, and takes new ones later', async () => {
  // The program itself opens many files when it starts.
  const server = await startProcess(160)
  const client = await RawClient.open(server)
  const crowd = await Promise.all(Array.from({ length: 300 }, () => RawClient.connect(server)))
  for (let turn = 0; turn < 20; turn++) {
    client.write(masked(0x81, `turn ${turn}`))
    expect(await client.readText()).toBe(`turn ${turn}`)
  }
  for (const one of crowd) one.reset()
  const open = await until(
    () => RawClient.open(server).catch(() => undefined),
    (one) => one !== undefined,
  )
  open!.write(masked(0x81, 'late'))
  expect(await open!.readText()).toBe('late')
  client.write(masked(0x81, 'early'))
  expect(await client.readText()).toBe('early')
})

/** Ask again and again until the answer is right; the test's own timeout bounds it. */
async function until<Answer>(
  ask: () => Promise<Answer>,
  isRight: (answer: Answer) => boolean,
): Promise<Answer> {
  for (;;) {
    const answer = await ask()
    if (isRight(answer)) return answer
  }
}
