import { afterEach, describe, expect, test, vi } from 'vitest'
import { type Connection, connect, HandshakeRejectedError } from '../../src/index.ts'
import { connectedPair } from '../../src/testing/index.ts'
import { enableTrace } from '../../src/trace/enable-trace.ts'
import { observe } from '../../src/trace/observer.ts'
import { TapTransport } from '../../src/trace/tap-transport.ts'
import { MemoryTransport } from '../../src/transport/memory-transport.ts'
import { settle, until } from '../connection/support.ts'
import { echo, MemoryLog, start, stay } from '../server/support.ts'
import { CLIENT_TLS, SERVER_TLS } from '../support/tls-fixture.ts'
import { LineLog, listen } from './support.ts'

afterEach(() => enableTrace(false))

describe('observe', () => {
  test('does nothing when nobody wants to know', () => {
    expect(observe('client', undefined)).toBeUndefined()
    expect(observe('server', false)).toBeUndefined()
  })

  test('puts nothing into the way of frames that nobody asks for', () => {
    listen('openline:connection:open', 'openline:handshake:request')
    const [transport] = MemoryTransport.pair()
    const observer = observe('client', undefined)!
    expect(observer.tap(transport, '')).toBe(transport)
    listen('openline:frame:received')
    expect(observer.tap(transport, '')).toBeInstanceOf(TapTransport)
    transport.destroy()
  })
})

/** What differs from one run to the next. */
function settled(lines: readonly string[]): string[] {
  return lines.map((line) =>
    line.replace(/^(.*Sec-WebSocket-(?:Key|Accept)): .*/, '$1: …').replace(/(Host: 127\.0\.0\.1):\d+/, '$1'),
  )
}

const REQUEST = [
  'GET /chat?room=1 HTTP/1.1',
  'Host: 127.0.0.1',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: …',
  'Sec-WebSocket-Version: 13',
  'User-Agent: openline',
]
const RESPONSE = [
  'HTTP/1.1 101 Switching Protocols',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Accept: …',
]

function sigil(mark: string, lines: readonly string[]): string[] {
  return lines.map((line) => `${mark} ${line}`)
}

describe('the trace', () => {
  test('tells of a connection from its handshake to its end, at both ends', async () => {
    const [ours, theirs] = [new LineLog(), new LineLog()]
    const server = await start(echo, { trace: theirs })
    const client = await connect(`${server.url}chat?room=1`, { trace: ours, compression: false })
    await client.send('hello')
    await client.receive()
    await client.send(Uint8Array.of(0, 1, 2))
    await client.receive()
    await client.close(1000, 'bye')
    await until(() => theirs.lines.at(-1)?.startsWith('%') === true)
    expect(settled(ours.lines)).toEqual([
      '= connection is CONNECTING',
      ...sigil('>', REQUEST),
      ...sigil('<', RESPONSE),
      '= connection is OPEN',
      "> TEXT 'hello' [5 bytes]",
      "< TEXT 'hello' [5 bytes]",
      '> BINARY 00 01 02 [3 bytes]',
      '< BINARY 00 01 02 [3 bytes]',
      '> CLOSE 1000 (OK) bye [5 bytes]',
      '= connection is CLOSING',
      '< CLOSE 1000 (OK) [2 bytes]',
      '< EOF',
      'x half-closing TCP connection',
      '= connection is CLOSED',
      '% we closed with 1000 (normal closure) "bye" and the peer answered',
    ])
    expect(settled(theirs.lines)).toEqual([
      '= connection is CONNECTING',
      ...sigil('<', REQUEST),
      ...sigil('>', RESPONSE),
      '= connection is OPEN',
      "< TEXT 'hello' [5 bytes]",
      "> TEXT 'hello' [5 bytes]",
      '< BINARY 00 01 02 [3 bytes]',
      '> BINARY 00 01 02 [3 bytes]',
      '< CLOSE 1000 (OK) bye [5 bytes]',
      '> CLOSE 1000 (OK) [2 bytes]',
      '= connection is CLOSING',
      'x half-closing TCP connection',
      '< EOF',
      '= connection is CLOSED',
      '% the peer closed with 1000 (normal closure) "bye" and we answered',
    ])
  })

  test.each([
    ['TLS', true, true],
    ['TLS, without compression', true, false],
    ['TCP', false, true],
    ['TCP, without compression', false, false],
  ])(
    'changes nothing about an exchange over %s, and both ends see the same',
    async (_, isSecure, compression) => {
      const [ours, theirs] = [new LineLog(), new LineLog()]
      const server = await start(echo, { trace: theirs, ...(isSecure ? { tls: SERVER_TLS } : {}) })
      const client = await connect(server.url, { trace: ours, compression, tls: CLIENT_TLS })
      for (const size of [0, 1, 125, 126, 65_535, 65_536, 300_000]) {
        const text = '中文 abc '.repeat(Math.ceil(size / 7)).slice(0, size)
        const bytes = Uint8Array.from({ length: size }, (_, index) => (index * index) & 0xff)
        void client.send(text)
        void client.send(bytes)
        void client.send([text, text])
        expect(await client.receive()).toBe(text)
        expect(Buffer.compare((await client.receive()) as Uint8Array, bytes)).toBe(0)
        expect(await client.receive()).toBe(text + text)
      }
      await client.close()
      await until(() => theirs.lines.at(-1)?.startsWith('%') === true)
      const frames = (log: LineLog, mark: string): string[] =>
        log.lines.filter((line) => /^[<>] (?:TEXT|BINARY|CONT|CLOSE)/.test(line) && line.startsWith(mark))
      const withoutMark = (lines: string[]): string[] => lines.map((line) => line.slice(2))
      expect(withoutMark(frames(ours, '>'))).toEqual(withoutMark(frames(theirs, '<')))
      expect(withoutMark(frames(theirs, '>'))).toEqual(withoutMark(frames(ours, '<')))
      expect(frames(theirs, '>').length).toBeGreaterThanOrEqual(7 * 3 + 1)
      expect(frames(ours, '>').some((line) => line.includes('compressed'))).toBe(compression)
      // All could be decompressed.
      expect(ours.lines.filter((line) => /bytes? compressed|^!/.test(line))).toEqual([])
    },
  )

  test('tells of a refusal', async () => {
    const [ours, theirs] = [new LineLog(), new LineLog()]
    const server = await start(stay, { trace: theirs, hosts: ['example.com'] })
    await expect(connect(server.url, { trace: ours })).rejects.toThrow(HandshakeRejectedError)
    expect(ours.lines).toContain('< HTTP/1.1 403 Forbidden')
    expect(ours.lines.slice(-2)).toEqual([
      expect.stringMatching(/^! HandshakeRejectedError: the server refused the handshake with 403/),
      '= connection is CLOSED',
    ])
    expect(theirs.lines).toContain('> HTTP/1.1 403 Forbidden')
    expect(theirs.lines.slice(-3)).toEqual([
      expect.stringMatching(/^> \[body\] \(\d+ bytes\)$/),
      expect.stringMatching(/^! HandshakeError: the host "127.0.0.1:\d+" is not one of/),
      '= connection is CLOSED',
    ])
  })

  test('tells of a refusal that the user made', async () => {
    const theirs = new LineLog()
    const server = await start(stay, {
      trace: theirs,
      onHandshake: () => new Response('who are you?', { status: 401, headers: { 'Set-Cookie': 'sid=42' } }),
    })
    await expect(connect(server.url)).rejects.toThrow('401')
    expect(theirs.lines).toContain('> HTTP/1.1 401 Unauthorized')
    expect(theirs.lines).toContain('> set-cookie: ***')
    expect(theirs.lines).toContain('> [body] (12 bytes)')
  })

  test('tells of a server that cannot be reached', async () => {
    const log = new LineLog()
    const server = await start(stay)
    await server.close()
    await expect(connect(server.url, { trace: log })).rejects.toThrow()
    expect(log.lines.at(-2)).toMatch(/^! HandshakeError: could not connect: .*ECONNREFUSED/)
    expect(log.lines.at(-1)).toBe('= connection is CLOSED')
  })

  test('tells of what broke a connection', async () => {
    const log = new LineLog()
    const { client, cut } = connectedPair({ client: { trace: log } })
    cut(new Error('reset'))
    await client.closed
    await settle()
    expect(log.take()).toEqual([
      '= connection is OPEN',
      '! Error: reset',
      '= connection is CLOSED',
      expect.stringMatching(/^% reset/),
    ])
  })

  test('says which connection', async () => {
    const log = new LineLog()
    const pair = connectedPair({ client: { trace: log }, server: { trace: log } })
    await pair.client.send('x')
    await pair.server.receive()
    const [, , sent, received] = log.lines
    const [, number] = /^#(\d+) > TEXT/.exec(sent!)!
    expect(received).toBe(`#${Number(number) + 1} < TEXT 'x' [1 byte]`)
    pair.client.terminate()
  })

  test('tells of broadcasts and prepared messages', async () => {
    const log = new LineLog()
    const { broadcast } = await import('../../src/index.ts')
    const { client, server } = connectedPair({ server: { trace: log } })
    broadcast([server], 'to all')
    expect(await client.receive()).toBe('to all')
    expect(log.lines).toContain("> TEXT 'to all' [6 bytes]")
    client.terminate()
  })

  test('shows a frame that the peer must not send, and what became of it', async () => {
    const log = new LineLog()
    const { connectRaw } = await import('../connection/support.ts')
    const observer = observe('server', log)!
    const [ours, theirs] = MemoryTransport.pair()
    const { connection } = connectRaw('server', { transport: observer.tap(ours, '') })
    const { put } = await import('../contract/transport.ts')
    theirs.start({ onRead() {}, onData() {}, onEnd() {}, onDrain() {}, onClosed() {} })
    put(theirs, Uint8Array.of(0x81, 0x01, 0x78))
    theirs.flush()
    await settle()
    expect(log.lines.slice(0, 2)).toEqual([
      "< TEXT 'x' [1 byte, not masked]",
      expect.stringMatching(/^> CLOSE 1002 \(protocol error\) a client must mask/),
    ])
    connection.terminate()
  })
})

test('credentials never appear', async () => {
  const SECRETS = ['s3cr3t', 'hunter2', 'k00kie', 'Zm9vOmh1bnRlcjI', 'eyJhbGciOiJIUzI1NiJ9']
  const log = new LineLog()
  enableTrace(log)
  const facts = listen(
    'openline:handshake:request',
    'openline:handshake:response',
    'openline:handshake:error',
  )
  const server = await start(stay, {
    headers: { 'Set-Cookie': 'k00kie=1', 'X-Session-Token': 's3cr3t' },
    subprotocols: ['chat'],
    onHandshake: ({ target }) =>
      target.startsWith('/no')
        ? new Response('', {
            status: 302,
            headers: { Location: 'wss://foo:hunter2@localhost/?token=s3cr3t' },
          })
        : undefined,
  })
  const url = server.url.replace('ws://', 'ws://foo:hunter2@')
  const options = {
    headers: { Cookie: 'k00kie=1', 'Proxy-Authorization': 'Basic s3cr3t', 'X-Api-Key': 's3cr3t' },
    subprotocols: ['chat', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.s3cr3t'],
  }
  const query = '?access_token=s3cr3t&code=s3cr3t&api_key=s3cr3t&room=1'
  const client = await connect(`${url}chat${query}`, options)
  await client.close()
  await connect(`${url}no${query}`, options).catch(() => {})
  await settle()
  const all = log.lines.join('\n')
  expect(all).toContain('Authorization: Basic ***')
  expect(all).toContain('GET /chat?access_token=***&code=***&api_key=***&room=1 HTTP/1.1')
  expect(all).toContain('Sec-WebSocket-Protocol: chat, ***')
  expect(all).toContain('302')
  const published = JSON.stringify(facts.map(({ fact }) => ({ ...fact, error: undefined })))
  for (const secret of SECRETS) {
    expect(all).not.toContain(secret)
    expect(published).not.toContain(secret)
  }
})

describe('channels', () => {
  test('tell both ends of a connection, in order', async () => {
    const facts = listen(
      'openline:handshake:request',
      'openline:handshake:response',
      'openline:handshake:error',
      'openline:connection:open',
      'openline:connection:close',
    )
    const connections: Connection[] = []
    const server = await start(async (connection) => {
      connections.push(connection)
      await connection.closed
    })
    const client = await connect(`${server.url}chat`, { headers: { 'X-A': 'b' } })
    await client.close(4000, 'done')
    await until(() => facts.filter(({ name }) => name === 'openline:connection:close').length === 2)
    const numberOf = (role: string): number => facts.find(({ fact }) => fact.role === role)!.fact.number
    for (const [role, connection] of [
      ['client', client],
      ['server', connections[0]!],
    ] as const) {
      const own = facts.filter(({ fact }) => fact.role === role)
      expect(own.every(({ fact }) => fact.number === numberOf(role))).toBe(true)
      expect(own.map(({ name }) => name)).toEqual([
        'openline:handshake:request',
        'openline:handshake:response',
        'openline:connection:open',
        'openline:connection:close',
      ])
      const [request, response, opened, closed] = own.map(({ fact }) => fact)
      expect(request).toMatchObject({
        method: 'GET',
        target: '/chat',
        headers: { 'x-a': 'b', upgrade: 'websocket' },
      })
      expect(response).toMatchObject({ status: 101, statusText: 'Switching Protocols' })
      expect((opened as { connection: Connection }).connection).toBe(connection)
      expect(closed).toMatchObject({ connection, info: { code: 4000, clean: true } })
    }
    expect(numberOf('client')).not.toBe(numberOf('server'))
  })

  test('tell of handshakes that failed, at both ends', async () => {
    const facts = listen('openline:handshake:error')
    const logger = new MemoryLog()
    const server = await start(stay, {
      logger,
      onHandshake: () => {
        throw new Error('the database is away')
      },
    })
    await expect(connect(server.url)).rejects.toThrow('500')
    expect(facts.map(({ fact }) => [fact.role, (fact.error as { code: string }).code])).toEqual([
      ['server', 'WS_HANDLER_FAILED'],
      ['client', 'WS_REJECTED'],
    ])
  })

  test('tell of a client that went away while it was decided about', async () => {
    const facts = listen('openline:handshake:error')
    const server = await start(stay, { onHandshake: () => new Promise(() => {}) })
    const controller = new AbortController()
    const connecting = connect(server.url, { signal: controller.signal })
    connecting.catch(() => {})
    setTimeout(() => controller.abort(new Error('enough')), 50)
    await expect(connecting).rejects.toThrow('enough')
    await until(() => facts.length === 2)
    expect(facts.map(({ fact }) => `${fact.role}: ${(fact.error as Error).message}`).sort()).toEqual([
      'client: enough',
      'server: the client went away',
    ])
  })

  test('a subscriber that throws hurts no connection', async () => {
    const { subscribe, unsubscribe } = await import('node:diagnostics_channel')
    const uncaught = vi.fn()
    const throwing = (): void => {
      throw new Error('a broken subscriber')
    }
    const before = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', uncaught)
    subscribe('openline:frame:sent', throwing)
    subscribe('openline:connection:open', throwing)
    try {
      const { client, server } = connectedPair()
      await client.send('x')
      expect(await server.receive()).toBe('x')
      expect(await client.close()).toMatchObject({ code: 1000, clean: true })
      await settle()
    } finally {
      unsubscribe('openline:frame:sent', throwing)
      unsubscribe('openline:connection:open', throwing)
      process.removeAllListeners('uncaughtException')
      for (const listener of before) process.on('uncaughtException', listener)
    }
    expect(uncaught).toHaveBeenCalled()
  })
})

test('a sink that throws hurts no connection', async () => {
  const sink = (): void => {
    throw new Error('the disk is full')
  }
  const server = await start(echo, { trace: { sink } })
  const client = await connect(server.url, { trace: { sink } })
  await client.send('x')
  expect(await client.receive()).toBe('x')
  expect(await client.close()).toMatchObject({ code: 1000, clean: true })
})

test('what a sink sends all the same goes out whole, and in order', async () => {
  const lines: string[] = []
  const pair = connectedPair({
    server: {
      compression: false,
      trace: {
        sink: (line) => {
          lines.push(line)
          if (line.startsWith('> BINARY') || line.startsWith('< TEXT')) void pair.server.send(`after ${line}`)
        },
      },
    },
  })
  const { client, server } = pair
  // Large enough to be written in two parts: the header, and the payload by reference.
  const large = new Uint8Array(100_000).fill(7)
  void server.send(large)
  void client.send('hi')
  expect(Buffer.compare((await client.receive()) as Uint8Array, large)).toBe(0)
  expect(await client.receive()).toMatch(/^after > BINARY 07 .*\[100000 bytes\]$/)
  expect(await server.receive()).toBe('hi')
  expect(await client.receive()).toBe("after < TEXT 'hi' [2 bytes]")
  expect(lines.filter((line) => line.startsWith("> TEXT 'after > BINARY"))).toHaveLength(1)
  expect(await client.close()).toMatchObject({ code: 1000, clean: true })
})
