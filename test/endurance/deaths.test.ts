// The ways in which an open connection can die, each with what its survivor hears and within which time. The other end
// is a process of its own, which is killed, stopped or cut off. docs/topics/heartbeat.md promises what is tested here.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  type CloseInfo,
  type Connection,
  ConnectionClosedError,
  type ConnectionOptions,
  connect,
  type Server,
  serve,
} from '../../src/index.ts'
import { RawClient } from '../support/raw-client.ts'
import { tlsCertificate, tlsKey } from '../support/tls.ts'
import type { MortalOrder, MortalReport } from './mortal-process.ts'

const PING_INTERVAL = 300
const PING_TIMEOUT = 400
const CLOSE_TIMEOUT = 300
const WATCHFUL = { pingInterval: PING_INTERVAL, pingTimeout: PING_TIMEOUT, closeTimeout: CLOSE_TIMEOUT }
/** What a busy machine may take on top of a time that is promised, in ms. */
const SLACK = 1500
/** The longest time until a peer that says nothing is given up, and until the end of that. */
const SILENT = PING_INTERVAL + PING_TIMEOUT
const MIB = 1024 * 1024

/** One end of a connection in a process of its own. */
class Mortal {
  readonly #child: ChildProcess
  readonly #reports: MortalReport[] = []
  #wake: (() => void) | undefined

  private constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', (report: MortalReport) => {
      this.#reports.push(report)
      this.#wake?.()
    })
  }

  static start(order: MortalOrder): Mortal {
    const script = fileURLToPath(new URL('./mortal-process.ts', import.meta.url))
    const child = spawn(process.execPath, ['--import', 'tsx', '--conditions=openline-source', script], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    onTestFinished(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      // A stopped process cannot end otherwise.
      child.kill('SIGKILL')
      await once(child, 'exit')
    })
    child.send(order)
    return new Mortal(child)
  }

  signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(name)
  }

  send(message: 'state' | { readonly block: number }): void {
    this.#child.send(message)
  }

  /** Take the next report that has this field. */
  async report<Name extends string>(name: Name): Promise<Extract<MortalReport, Record<Name, unknown>>> {
    for (;;) {
      const index = this.#reports.findIndex((one) => name in one)
      if (index !== -1) return this.#reports.splice(index, 1)[0] as never
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async state(): Promise<string> {
    this.send('state')
    return (await this.report('state')).state
  }
}

async function startServer(
  order: Omit<MortalOrder, 'url'> = {},
): Promise<{ mortal: Mortal; url: string; port: number }> {
  const mortal = Mortal.start({ pingInterval: false, ...order })
  const { port } = await mortal.report('port')
  return { mortal, port, url: `${order.tls === undefined ? 'ws' : 'wss'}://127.0.0.1:${port}/` }
}

async function open(url: string, options: ConnectionOptions = {}): Promise<Connection> {
  const tls = url.startsWith('wss') ? { tls: { ca: tlsCertificate } } : {}
  const connection = await connect(url, { ...WATCHFUL, ...options, ...tls })
  onTestFinished(() => connection.terminate())
  return connection
}

/** A server in this process, and its end of the next connection. */
async function serveHere(
  options: Parameters<typeof serve>[1] = {},
): Promise<{ server: Server; accepted: Promise<Connection> }> {
  let accept!: (connection: Connection) => void
  const accepted = new Promise<Connection>((resolve) => {
    accept = resolve
  })
  const server = await serve(
    {
      open: (connection) => accept(connection),
      message: (connection, message) => void connection.send(message),
    },
    { ...options, host: '127.0.0.1' },
  )
  onTestFinished(async () => {
    await server.close({ timeout: 1 })
  })
  return { server, accepted }
}

/** Give how a connection ends, and after how many ms. */
async function endOf(connection: Connection): Promise<{ info: CloseInfo; after: number }> {
  const start = performance.now()
  const info = await connection.closed
  return { info, after: performance.now() - start }
}

/** A line of TCP that can be cut in ways in which two processes on one machine never lose each other. */
class Relay {
  readonly port: number
  readonly #ends: { near: Socket; far: Socket }[] = []

  private constructor(port: number) {
    this.port = port
  }

  static async to(port: number): Promise<Relay> {
    const server = createServer({ allowHalfOpen: true })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const relay = new Relay((server.address() as AddressInfo).port)
    server.on('connection', (near) => {
      const far = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true })
      for (const socket of [near, far]) socket.on('error', () => {})
      near.pipe(far)
      far.pipe(near)
      relay.#ends.push({ near, far })
    })
    onTestFinished(() => {
      server.close()
      for (const { near, far } of relay.#ends) {
        near.destroy()
        far.destroy()
      }
    })
    return relay
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/`
  }

  get sockets(): readonly Socket[] {
    return this.#ends.flatMap(({ near, far }) => [near, far])
  }

  /** Carry nothing any more, and say nothing of it. */
  drop(): void {
    for (const { near, far } of this.#ends) {
      near.unpipe(far)
      far.unpipe(near)
      near.pause()
      far.pause()
    }
  }

  /** Change a bit of each piece that goes to the far end. */
  corrupt(): void {
    for (const { near, far } of this.#ends) {
      near.unpipe(far)
      near.on('data', (chunk: Uint8Array) => {
        chunk[chunk.length - 1]! ^= 1
        far.write(chunk)
      })
      near.on('end', () => far.end())
      near.resume()
    }
  }

  /** Forget the far end; the near one is not told. */
  forget(): void {
    this.drop()
    for (const { far } of this.#ends) far.resetAndDestroy()
  }
}

async function echoes(connection: Connection, text: string): Promise<void> {
  await connection.send(text)
  expect(await connection.receive()).toBe(text)
}

describe.each([
  ['TCP', {}],
  ['TLS', { tls: { cert: tlsCertificate, key: tlsKey } }],
] as const)('a server over %s', (_, order) => {
  test('that is killed is missed at once, with 1006', async () => {
    const { mortal, url } = await startServer(order)
    const connection = await open(url)
    await echoes(connection, 'alive')
    const loop = (async () => {
      for await (const _message of connection);
    })()
    loop.catch(() => {})
    const end = endOf(connection)
    mortal.signal('SIGKILL')
    const { info, after } = await end
    expect(info).toMatchObject({
      code: 1006,
      initiator: 'remote',
      clean: false,
      sent: undefined,
      received: undefined,
    })
    expect(info.facts).toMatchObject({ cause: 'peer-gone', limit: undefined, wasReadingPaused: false })
    expect(info.diagnosis).toContain('process was killed')
    expect(after).toBeLessThan(SLACK)
    // And says so to whoever uses the connection.
    const failure = await loop.catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(ConnectionClosedError)
    expect((failure as Error).message).toContain(info.diagnosis)
    await expect(connection.send('x')).rejects.toThrow(info.diagnosis)
  })

  test('that is stopped is given up after pingInterval and pingTimeout, with 1011', async () => {
    const { mortal, url } = await startServer(order)
    const connection = await open(url)
    await echoes(connection, 'alive')
    const end = endOf(connection)
    mortal.signal('SIGSTOP')
    const { info, after } = await end
    expect(info).toMatchObject({ code: 1011, initiator: 'local', clean: false, received: undefined })
    expect(info.error).toMatchObject({ code: 'WS_TIMEOUT', phase: 'ping' })
    expect(info.facts).toMatchObject({ cause: 'network', limit: 'pingTimeout' })
    expect(info.diagnosis).toContain('the peer hangs')
    expect(after).toBeGreaterThan(PING_TIMEOUT - 50)
    expect(after).toBeLessThan(SILENT + CLOSE_TIMEOUT + SLACK)
  })

  test('that stands still for less than pingTimeout is not given up', async () => {
    const { mortal, url } = await startServer(order)
    const connection = await open(url, { pingTimeout: 3000 })
    await echoes(connection, 'before')
    mortal.signal('SIGSTOP')
    await sleep(1200)
    expect(connection.state).toBe('open')
    mortal.signal('SIGCONT')
    await echoes(connection, 'after')
  })

  test('that has stopped reading is given up, and called what it is', async () => {
    const { mortal, url } = await startServer(order)
    const connection = await open(url, { compression: false })
    mortal.signal('SIGSTOP')
    const sending = connection.send(new Uint8Array(32 * MIB))
    sending.catch(() => {})
    const { info, after } = await endOf(connection)
    expect(info).toMatchObject({ code: 1011, initiator: 'local', received: undefined })
    expect(info.facts).toMatchObject({ cause: 'slow-reader', limit: 'pingTimeout' })
    expect(info.facts!.unsent).toBeGreaterThan(MIB)
    expect(info.diagnosis).toMatch(/MiB were still unsent. Probably the peer does not read/)
    expect(after).toBeLessThan(2 * SILENT + CLOSE_TIMEOUT + SLACK)
    await expect(sending).rejects.toThrow(ConnectionClosedError)
  })
})

describe('a client', () => {
  test('that is killed is missed at once, with 1006', async () => {
    const { server, accepted } = await serveHere(WATCHFUL)
    const mortal = Mortal.start({ url: server.url, pingInterval: false })
    const connection = await accepted
    await mortal.report('opened')
    const end = endOf(connection)
    mortal.signal('SIGKILL')
    const { info, after } = await end
    expect(info).toMatchObject({ code: 1006, initiator: 'remote' })
    expect(info.facts).toMatchObject({ cause: 'peer-gone' })
    expect(info.diagnosis).toContain('ended without closing')
    expect(after).toBeLessThan(SLACK)
  })

  test('that is stopped is given up after pingInterval and pingTimeout, with 1011', async () => {
    const { server, accepted } = await serveHere(WATCHFUL)
    const mortal = Mortal.start({ url: server.url, pingInterval: false })
    const connection = await accepted
    await mortal.report('opened')
    const end = endOf(connection)
    mortal.signal('SIGSTOP')
    const { info, after } = await end
    expect(info).toMatchObject({ code: 1011, initiator: 'local' })
    expect(info.facts).toMatchObject({ limit: 'pingTimeout' })
    expect(after).toBeLessThan(SILENT + CLOSE_TIMEOUT + SLACK)
  })
})

describe('a client of a server in callback style', () => {
  test('that has stopped reading is given up, though the server stops reading too', async () => {
    const { server, accepted } = await serveHere({ ...WATCHFUL, compression: false })
    const mortal = Mortal.start({ url: server.url, pingInterval: false })
    const connection = await accepted
    await mortal.report('opened')
    mortal.signal('SIGSTOP')
    void connection.send(new Uint8Array(32 * MIB))
    const { info, after } = await endOf(connection)
    expect(info.facts).toMatchObject({ cause: 'slow-reader', limit: 'pingTimeout' })
    expect(after).toBeLessThan(2 * SILENT + CLOSE_TIMEOUT + SLACK)
  })
})

describe('a line', () => {
  test('that drops all packets is noticed by both ends, with 1011', async () => {
    const { mortal, port } = await startServer(WATCHFUL)
    const relay = await Relay.to(port)
    const connection = await open(relay.url)
    await echoes(connection, 'alive')
    const end = endOf(connection)
    relay.drop()
    const { info, after } = await end
    expect(info).toMatchObject({ code: 1011, initiator: 'local' })
    expect(info.facts).toMatchObject({ cause: 'network', limit: 'pingTimeout' })
    expect(info.diagnosis).toContain('the network drops packets')
    expect(after).toBeLessThan(SILENT + CLOSE_TIMEOUT + SLACK)
    const { closed } = await mortal.report('closed')
    expect(closed).toMatchObject({ code: 1011, initiator: 'local', facts: { limit: 'pingTimeout' } })
  })

  test('that is half-open is noticed by the end that was not told, with 1011', async () => {
    const { mortal, port } = await startServer()
    const relay = await Relay.to(port)
    const connection = await open(relay.url)
    await echoes(connection, 'alive')
    const end = endOf(connection)
    relay.forget()
    // The other end is told at once.
    const { closed } = await mortal.report('closed')
    expect(closed).toMatchObject({ code: 1006, initiator: 'remote', facts: { systemError: 'ECONNRESET' } })
    const { info, after } = await end
    expect(info).toMatchObject({ code: 1011, initiator: 'local', facts: { cause: 'network' } })
    expect(after).toBeLessThan(SILENT + CLOSE_TIMEOUT + SLACK)
  })

  test('that changes bytes under TLS is noticed at once, in words', async () => {
    const { server, accepted } = await serveHere({ tls: { cert: tlsCertificate, key: tlsKey } })
    const relay = await Relay.to(server.port)
    const connection = await open(relay.url.replace('ws:', 'wss:'))
    const theirs = endOf(await accepted)
    relay.corrupt()
    void connection.send('x'.repeat(100))
    const { info, after } = await theirs
    expect(info).toMatchObject({ code: 1006, facts: { cause: 'tls' } })
    expect(info.diagnosis).toMatch(/encrypted bytes were changed on their way/)
    expect(after).toBeLessThan(SLACK)
  })

  test('that something ends after a silence is explained by that', async () => {
    const { port } = await startServer()
    const relay = await Relay.to(port)
    const connection = await open(relay.url, { pingInterval: false })
    await echoes(connection, 'alive')
    await sleep(1100)
    const end = endOf(connection)
    // As a proxy does at its idle limit: to both ends, without a word.
    for (const socket of relay.sockets) socket.end()
    const { info } = await end
    expect(info).toMatchObject({ code: 1006, initiator: 'remote' })
    expect(info.facts!.sinceReceived).toBeGreaterThanOrEqual(1000)
    expect(info.facts!.sinceSent).toBeGreaterThanOrEqual(info.facts!.sinceReceived!)
    expect(info.diagnosis).toMatch(/without a close frame; no byte came or went for \d s/)
  })
})

describe('a peer that reads slowly', () => {
  test.each(['plain', 'TLS'])(
    'is not blamed while it takes a large message, %s',
    async (kind) => {
      const tls = kind === 'TLS' ? { tls: { cert: tlsCertificate, key: tlsKey } } : {}
      // The system reports room in steps of about a MiB: the next one must come within this time.
      const pingTimeout = 1500
      // A coroutine: callback style would stop reading meanwhile.
      let accept!: (connection: Connection) => void
      const accepted = new Promise<Connection>((resolve) => {
        accept = resolve
      })
      const server = await serve(
        async (connection) => {
          accept(connection)
          await connection.closed
        },
        { ...tls, pingInterval: PING_INTERVAL, pingTimeout, compression: false, host: '127.0.0.1' },
      )
      onTestFinished(async () => {
        await server.close({ timeout: 1 })
      })
      const raw = await RawClient.open({
        port: server.port,
        host: '127.0.0.1',
        ...(kind === 'TLS' ? { tls: { ca: tlsCertificate } } : {}),
      })
      const connection = await accepted
      // It takes what it asks for, and no more is read ahead than a stream holds.
      raw.socket.removeAllListeners('data')
      raw.socket.on('readable', () => {})
      const size = 16 * MIB
      const sending = connection.send(new Uint8Array(size))
      const start = performance.now()
      // At most 3 MiB/s: several times as long as a peer that says nothing is given.
      for (let received = 0; received < size; await sleep(20)) {
        received += (raw.socket.read() as Uint8Array | null)?.length ?? 0
        expect(connection.state).toBe('open')
      }
      await sending
      expect(performance.now() - start).toBeGreaterThan(2 * (PING_INTERVAL + pingTimeout))
      expect(connection.state).toBe('open')
    },
    60_000,
  )
})

describe('we ourselves', () => {
  test.each(['client', 'server'] as const)(
    'may be stopped for longer than all timeouts, as a %s, and fail no healthy connection',
    async (role) => {
      const { connection, mortal } = await openWithMortal(role)
      await echoes(connection, 'before')
      mortal.signal('SIGSTOP')
      await sleep(3 * SILENT)
      mortal.signal('SIGCONT')
      await sleep(2 * SILENT)
      expect(await mortal.state()).toBe('open')
      await echoes(connection, 'after')
    },
  )

  test.each(['client', 'server'] as const)(
    'may block the event loop for longer than all timeouts, as a %s, and fail no healthy connection',
    async (role) => {
      const { connection, mortal } = await openWithMortal(role)
      mortal.send({ block: 3 * SILENT })
      await mortal.report('woke')
      await sleep(2 * SILENT)
      expect(await mortal.state()).toBe('open')
      await echoes(connection, 'after')
    },
  )

  test('find out after being stopped that the peer has died meanwhile', async () => {
    const { server, accepted } = await serveHere({ pingInterval: false })
    const mortal = Mortal.start({ url: server.url, ...WATCHFUL })
    await mortal.report('opened')
    mortal.signal('SIGSTOP')
    await sleep(5500)
    ;(await accepted).terminate()
    mortal.signal('SIGCONT')
    const { closed } = await mortal.report('closed')
    expect(closed).toMatchObject({ code: 1006, initiator: 'remote', facts: { cause: 'standstill' } })
    expect(closed.diagnosis).toMatch(/this process had stood still for \d s/)
  })
})

describe('a server that is not there', () => {
  test('is missed at once', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    const start = performance.now()
    const failure = await connect(`ws://127.0.0.1:${port}/`).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'WS_CONNECT_FAILED', cause: { code: 'ECONNREFUSED' } })
    expect(performance.now() - start).toBeLessThan(SLACK)
  })

  test('or never answers, is given up after openTimeout', async () => {
    const sockets: Socket[] = []
    const server = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    const start = performance.now()
    const { port } = server.address() as AddressInfo
    const failure = await connect(`ws://127.0.0.1:${port}/`, { openTimeout: 300 }).catch(
      (error: unknown) => error,
    )
    expect(failure).toMatchObject({ code: 'WS_TIMEOUT', phase: 'open' })
    expect(performance.now() - start).toBeLessThan(300 + SLACK)
  })
})

/** A connection whose watchful end is in the other process, in either role; ours sends no pings. */
async function openWithMortal(
  role: 'client' | 'server',
): Promise<{ connection: Connection; mortal: Mortal }> {
  if (role === 'server') {
    const { mortal, url } = await startServer(WATCHFUL)
    return { mortal, connection: await open(url, { pingInterval: false }) }
  }
  // The process answers what it is sent in either role, so that ours must not.
  let accept!: (connection: Connection) => void
  const accepted = new Promise<Connection>((resolve) => {
    accept = resolve
  })
  const server = await serve(
    async (connection) => {
      accept(connection)
      await connection.closed
    },
    { host: '127.0.0.1', pingInterval: false },
  )
  onTestFinished(async () => {
    await server.close({ timeout: 1 })
  })
  const mortal = Mortal.start({ url: server.url, ...WATCHFUL })
  await mortal.report('opened')
  return { mortal, connection: await accepted }
}
