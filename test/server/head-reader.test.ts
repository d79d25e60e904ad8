import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerOptions } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { listHasToken } from '../../src/handshake/header-grammar.ts'
import { readRequestHead } from '../../src/handshake/request-head.ts'
import type { ServeOptions, Server, ServerHandler } from '../../src/index.ts'
import { Acceptor } from '../../src/server/acceptor.ts'
import { HeadReader, MAX_HEADER_SIZE } from '../../src/server/head-reader.ts'
import { resolveUpgradeOptions } from '../../src/server/options.ts'
import { MAX_HEADERS } from '../../src/server/received-request.ts'
import { prepareSockets, SocketTransport } from '../../src/transport/socket-transport.ts'
import { concat } from '../support/bytes.ts'
import { handshake, KEY, masked, maskedClose, RawClient } from '../support/raw-client.ts'
import { CLIENT_TLS, SERVER_TLS } from '../support/tls-fixture.ts'
import { at, defer, echo, MemoryLog, start, stay } from './support.ts'

// What is tested here is there only where sockets read into shared memory, also when all else runs without.
vi.hoisted(() => {
  delete process.env.OPENLINE_SHARED_READ
  delete process.env.OPENLINE_FAST_HANDSHAKE
})

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

const GET = 'GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n'

/** Write a POST; its body comes after it. */
function post(length: number, ...lines: string[]): string {
  return ['POST /form HTTP/1.1', 'Host: localhost', `Content-Length: ${length}`, ...lines, '', ''].join(
    '\r\n',
  )
}

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

/** Bytes of which no two parts are alike. */
function patterned(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let index = 0; index < length; index++) bytes[index] = (index * 31 + (index >> 8) * 7) & 0xff
  return bytes
}

function digest(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('hex')
}

/** Answer with what came: method, path, length and digest of the body. */
async function describeRequest(request: Request): Promise<Response> {
  const body = new Uint8Array(await request.arrayBuffer())
  return textResponse(`${request.method} ${new URL(request.url).pathname} ${body.length} ${digest(body)}`)
}

function textResponse(text: string): Response {
  return new Response(text, { headers: { 'Content-Length': `${text.length}` } })
}

const EMPTY_DIGEST = digest(new Uint8Array(0))
const PAGE = `GET /page 0 ${EMPTY_DIGEST}`

/** Resolves when the next socket is left to node:http. */
function untilReleased(): Promise<void> {
  const { release } = SocketTransport.prototype
  return new Promise((resolve) => {
    vi.spyOn(SocketTransport.prototype, 'release').mockImplementation(function (this: SocketTransport) {
      release.call(this)
      resolve()
    })
  })
}

const ways = [
  { name: 'over TCP', isSecure: false, isOn: true },
  { name: 'over TLS', isSecure: true, isOn: true },
  { name: 'over TCP, turned off', isSecure: false, isOn: false },
  { name: 'over TLS, turned off', isSecure: true, isOn: false },
]

// What is turned off is node:http alone: nobody must notice which of them it was.
describe.each(ways)('server reads heads $name:', ({ isSecure, isOn }) => {
  beforeEach(() => vi.stubEnv('OPENLINE_FAST_HANDSHAKE', isOn ? undefined : 'off'))

  function startHere<Data = unknown>(
    handler: ServerHandler<Data>,
    options: ServeOptions<Data> = {},
  ): Promise<Server<Data>> {
    return start(handler, isSecure ? { tls: SERVER_TLS, ...options } : options)
  }

  /** The TCP sockets beneath TLS. */
  const beneath = new WeakMap<RawClient, Socket>()

  async function dial(server: { readonly port: number; readonly host: string }): Promise<RawClient> {
    const plain = await RawClient.connect(at(server))
    if (!isSecure) return plain
    const { socket } = plain
    socket.removeAllListeners()
    const client = new RawClient(connectTls({ ...CLIENT_TLS, socket, servername: 'localhost' }))
    beneath.set(client, socket)
    await once(client.socket, 'secureConnect')
    return client
  }

  function reset(client: RawClient): void {
    ;(beneath.get(client) ?? client.socket).resetAndDestroy()
  }

  async function expectOpen(client: RawClient): Promise<void> {
    expect((await client.readHead()).status).toBe(101)
  }

  async function expectEcho(client: RawClient, text = 'Hello'): Promise<void> {
    client.write(masked(0x81, text))
    expect(await client.readText()).toBe(text)
  }

  test('a plain handshake', async () => {
    const peek = vi.spyOn(SocketTransport.prototype, 'peek')
    const release = vi.spyOn(SocketTransport.prototype, 'release')
    const requests = defer<unknown>()
    const server = await startHere(async (connection) => {
      requests.resolve({ target: connection.request.target, headers: { ...connection.request.headers } })
      await echo(connection)
    })
    const client = await dial(server)
    client.write(handshake({ 'X-Token': '\xe9' }, 'GET /chat?room=1 HTTP/1.1'))
    await expectOpen(client)
    await expectEcho(client)
    expect(await requests.promise).toEqual({
      target: '/chat?room=1',
      headers: {
        host: 'localhost',
        upgrade: 'websocket',
        connection: 'Upgrade',
        'sec-websocket-key': KEY,
        'sec-websocket-version': '13',
        'x-token': '\xe9',
      },
    })
    expect([peek.mock.calls.length, release.mock.calls.length]).toEqual(isOn ? [1, 0] : [0, 0])
    client.write(maskedClose(1000))
    expect(await client.readClose()).toEqual({ code: 1000, reason: '' })
    await client.ended
  })

  test.each<[string, Parameters<typeof handshake>[0], string?]>([
    ['a header twice', { 'X-A': ['1', '2'] }],
    ['a length of nothing', { 'Content-Length': '0' }],
    ['an absolute target', {}, 'GET http://localhost/chat HTTP/1.1'],
    ['a header with a name that objects have', { constructor: '1' }],
  ])('a handshake with %s, which is left to node:http', async (_what, changes, requestLine) => {
    const release = vi.spyOn(SocketTransport.prototype, 'release')
    const server = await startHere(echo)
    const client = await dial(server)
    client.write(concat(latin1(handshake(changes, requestLine)), masked(0x81, 'behind it')))
    await expectOpen(client)
    expect(await client.readText()).toBe('behind it')
    await expectEcho(client)
    expect(release).toHaveBeenCalledTimes(isOn ? 1 : 0)
  })

  test('what comes behind the head in one segment: several messages', async () => {
    const server = await startHere(echo)
    const client = await dial(server)
    const texts = Array.from({ length: 50 }, (_, index) => `message ${index}`)
    client.write(concat(latin1(handshake()), ...texts.map((text) => masked(0x81, text)), maskedClose(1000)))
    await expectOpen(client)
    for (const text of texts) expect(await client.readText()).toBe(text)
    expect(await client.readClose()).toEqual({ code: 1000, reason: '' })
  })

  test.each([1, 100_000, 1_000_000])('what comes behind the head: a message of %d bytes', async (length) => {
    const server = await startHere(echo)
    const client = await dial(server)
    const payload = patterned(length)
    client.write(concat(latin1(handshake()), masked(0x82, payload), masked(0x81, 'after it')))
    await expectOpen(client)
    expect(digest((await client.readFrame()).payload)).toBe(digest(payload))
    expect(await client.readText()).toBe('after it')
  })

  test('a message whose beginning comes behind the head', async () => {
    const server = await startHere(echo)
    const client = await dial(server)
    const bytes = masked(0x81, 'in two parts')
    client.write(concat(latin1(handshake()), bytes.subarray(0, 1)))
    await expectOpen(client)
    client.write(bytes.subarray(1))
    expect(await client.readText()).toBe('in two parts')
  })

  test.each([1, 14, 30, -3, -2, -1])('a head in two segments, cut at %d', async (cut) => {
    const server = await startHere(echo)
    const client = await dial(server)
    const released = isOn ? untilReleased() : undefined
    const bytes = latin1(handshake())
    client.write(bytes.subarray(0, cut))
    await released
    client.write(concat(bytes.subarray(cut), masked(0x81, 'behind it')))
    await expectOpen(client)
    expect(await client.readText()).toBe('behind it')
    await expectEcho(client)
  })

  test('a head that comes byte by byte', async () => {
    const server = await startHere(echo)
    const client = await dial(server)
    client.socket.setNoDelay(true)
    for (const byte of concat(latin1(handshake()), masked(0x81, 'behind it'))) {
      await client.writeAndDrain(Uint8Array.of(byte))
    }
    await expectOpen(client)
    expect(await client.readText()).toBe('behind it')
  })

  test('requests first, and a handshake on the same line later', async () => {
    const server = await startHere(echo, { onRequest: describeRequest })
    const client = await dial(server)
    client.write(GET)
    expect((await client.readResponse()).body).toBe(PAGE)
    client.write(`${post(4)}body`)
    expect((await client.readResponse()).body).toBe(`POST /form 4 ${digest(Buffer.from('body'))}`)
    client.write(concat(latin1(handshake()), masked(0x81, 'behind it')))
    await expectOpen(client)
    expect(await client.readText()).toBe('behind it')
    await expectEcho(client, 'x'.repeat(100_000))
    client.write(maskedClose(1000))
    expect((await client.readClose()).code).toBe(1000)
    await client.ended
  })

  test.each([0, 1, 1_000_000])('a POST with a body of %d bytes', async (length) => {
    const server = await startHere(echo, { onRequest: describeRequest })
    const body = patterned(length)
    const expected = `POST /form ${length} ${digest(body)}`
    const whole = await dial(server)
    whole.write(concat(latin1(post(length)), body))
    expect((await whole.readResponse()).body).toBe(expected)
    // Again on the same line, head and body apart.
    whole.write(post(length))
    whole.write(body)
    expect((await whole.readResponse()).body).toBe(expected)
  })

  test('a POST whose body comes after its head was read', async () => {
    const server = await startHere(echo, { onRequest: describeRequest })
    const client = await dial(server)
    const released = isOn ? untilReleased() : undefined
    const body = patterned(1_000_000)
    client.write(concat(latin1(post(body.length)), body.subarray(0, 1000)))
    await released
    client.write(body.subarray(1000))
    expect((await client.readResponse()).body).toBe(`POST /form 1000000 ${digest(body)}`)
  })

  test('a POST in chunks', async () => {
    const server = await startHere(echo, { onRequest: describeRequest })
    const client = await dial(server)
    const head = 'POST /form HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n'
    client.write(`${head}5\r\nHello\r\n1\r\n!\r\n0\r\n\r\n${GET}`)
    expect((await client.readResponse()).body).toBe(`POST /form 6 ${digest(Buffer.from('Hello!'))}`)
    expect((await client.readResponse()).body).toBe(PAGE)
  })

  test('a POST that waits to be told to go on', async () => {
    const server = await startHere(echo, { onRequest: describeRequest })
    const client = await dial(server)
    client.write(post(5, 'Expect: 100-continue'))
    expect(await client.readHead()).toMatchObject({ status: 100 })
    client.write('Hello')
    expect((await client.readResponse()).body).toBe(`POST /form 5 ${digest(Buffer.from('Hello'))}`)
  })

  test('a handshake that waits to be told to go on', async () => {
    const server = await startHere(echo)
    const client = await dial(server)
    client.write(handshake({ Expect: '100-continue' }))
    await expectOpen(client)
    await expectEcho(client)
  })

  test('requests one behind the other in one segment', async () => {
    const server = await startHere(echo, { onRequest: describeRequest })
    const client = await dial(server)
    client.write(`${GET}${post(4)}body${GET}${post(0)}${GET}`)
    expect((await client.readResponse()).body).toBe(PAGE)
    expect((await client.readResponse()).body).toBe(`POST /form 4 ${digest(Buffer.from('body'))}`)
    expect((await client.readResponse()).body).toBe(PAGE)
    expect((await client.readResponse()).body).toBe(`POST /form 0 ${EMPTY_DIGEST}`)
    expect((await client.readResponse()).body).toBe(PAGE)
  })

  test('requests of more than one read, one behind the other', async () => {
    const server = await startHere(echo, { onRequest: describeRequest })
    const client = await dial(server)
    const body = patterned(100_000)
    client.write(
      concat(...Array.from({ length: 5 }, () => [latin1(post(body.length)), body]).flat(), latin1(GET)),
    )
    for (let count = 0; count < 5; count++) {
      expect((await client.readResponse()).body).toBe(`POST /form 100000 ${digest(body)}`)
    }
    expect((await client.readResponse()).body).toBe(PAGE)
  })

  describe('while onHandshake makes up its mind, the client', () => {
    interface Asked {
      readonly client: RawClient
      readonly signal: AbortSignal
      readonly server: Server<string>
      readonly log: MemoryLog
      decide(decision: string | false | Response): void
    }

    /** Send a handshake and what is behind it, and wait until onHandshake is asked. */
    async function ask(behind: Uint8Array = new Uint8Array(0)): Promise<Asked> {
      const asked = defer<AbortSignal>()
      const decision = defer<string | false | Response>()
      const log = new MemoryLog()
      const server = await startHere<string>(echo, {
        logger: log,
        onHandshake: ({ signal }) => {
          asked.resolve(signal)
          return decision.promise as Promise<string>
        },
      })
      const client = await dial(server)
      client.write(concat(latin1(handshake()), behind))
      const signal = await asked.promise
      return { client, signal, server, log, decide: decision.resolve }
    }

    test('may send frames: they are delivered in order afterwards', async () => {
      const early = 'e'.repeat(100_000)
      const { client, decide } = await ask(concat(masked(0x81, 'first'), masked(0x81, early)))
      await client.writeAndDrain(masked(0x81, 'second'))
      // More than anybody keeps of a client that is not let in yet.
      const late = 'l'.repeat(1_000_000)
      client.write(masked(0x81, late))
      decide('in')
      await expectOpen(client)
      expect(await client.readText()).toBe('first')
      expect(await client.readText()).toBe(early)
      expect(await client.readText()).toBe('second')
      expect(await client.readText()).toBe(late)
      await expectEcho(client)
    })

    test('may send nothing', async () => {
      const { client, decide } = await ask()
      decide('in')
      await expectOpen(client)
      await expectEcho(client)
    })

    test.each([
      ['ends', ''],
      ['ends', 'what it sent ahead'],
      ['resets', ''],
      ['resets', 'what it sent ahead'],
    ])('goes away: it %s behind %j', async (how, ahead) => {
      const { client, signal, server, log, decide } = await ask(
        ahead === '' ? undefined : masked(0x81, ahead),
      )
      const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve))
      if (how === 'ends') client.socket.end()
      else reset(client)
      await aborted
      expect(String(signal.reason)).toContain('the client went away')
      decide('in')
      await client.ended
      expect(server.connections.size).toBe(0)
      expect(log.lines).toEqual([])
    })

    test.each<[string, false | Response, number, string]>([
      ['false', false, 403, 'onHandshake refused\n'],
      ['a Response', new Response('x'.repeat(50_000), { status: 401 }), 401, 'x'.repeat(50_000)],
    ])('is refused by %s, and gets the whole answer', async (_what, verdict, status, body) => {
      const { client, decide } = await ask(concat(masked(0x81, 'ahead'), masked(0x82, patterned(100_000))))
      client.write(masked(0x82, patterned(100_000)))
      decide(verdict)
      expect(await client.readResponse()).toMatchObject({ status, body })
      await client.ended
    })
  })

  describe('a handshake that it refuses, with the whole answer, though much lies behind the head:', () => {
    test.each<[string, ServeOptions, Parameters<typeof handshake>[0], number]>([
      ['origin', { origins: ['https://example.com'] }, { Origin: 'https://example.org' }, 403],
      ['host', { hosts: ['example.com'] }, {}, 403],
      ['version', {}, { 'Sec-WebSocket-Version': '8' }, 426],
      ['key', {}, { 'Sec-WebSocket-Key': 'short' }, 400],
      ['no key', {}, { 'Sec-WebSocket-Key': undefined }, 400],
      ['an empty host', {}, { Host: '' }, 400],
      ['a body', {}, { 'Content-Length': '5' }, 413],
    ])('%s', async (_what, options, changes, status) => {
      const log = new MemoryLog()
      const server = await startHere(echo, { ...options, logger: log })
      const client = await dial(server)
      client.write(concat(latin1(handshake(changes)), masked(0x82, patterned(300_000))))
      const response = await client.readResponse()
      expect([response.status, response.headers.connection]).toEqual([
        status,
        status === 426 ? 'close, Upgrade' : 'close',
      ])
      expect(response.body).toMatch(/\n$/)
      await client.ended
      expect(log.lines).toEqual([])
      expect(server.connections.size).toBe(0)
    })

    test('and no other on the same line', async () => {
      const opened: unknown[] = []
      const server = await startHere(
        { open: (connection) => void opened.push(connection) },
        { origins: ['https://example.com'] },
      )
      const client = await dial(server)
      client.socket.allowHalfOpen = true
      const closed = once(client.socket, 'close')
      client.write(handshake({ Origin: 'https://example.org' }))
      expect((await client.readResponse()).status).toBe(403)
      client.socket.end(handshake({ Origin: 'https://example.com' }))
      await closed
      expect((await client.readToEnd()).toString()).toBe('')
      expect(opened).toEqual([])
    })

    test('an error of a function for origins', async () => {
      const log = new MemoryLog()
      const server = await startHere(echo, {
        logger: log,
        origins: () => {
          throw new Error('no list')
        },
      })
      const client = await dial(server)
      client.write(
        concat(latin1(handshake({ Origin: 'https://example.com' })), masked(0x82, patterned(100_000))),
      )
      expect(await client.readResponse()).toMatchObject({ status: 500, body: 'the server failed\n' })
      await client.ended
      expect(log.sentences).toEqual(['openline: a handshake failed'])
    })
  })

  test('that are traced: lines as they came, then the answer and the frames', async () => {
    const lines: string[] = []
    const server = await startHere(echo, { trace: { sink: (line) => void lines.push(line) } })
    const client = await dial(server)
    client.write(concat(latin1(handshake({ 'x-LOWER': ' a ' }, 'GET /chat HTTP/1.1')), masked(0x81, 'Hello')))
    await expectOpen(client)
    expect(await client.readText()).toBe('Hello')
    expect(lines.slice(0, 3)).toEqual([
      '= connection is CONNECTING',
      '< GET /chat HTTP/1.1',
      '< Host: localhost',
    ])
    expect(lines).toContain('< x-LOWER: a')
    const answer = lines.indexOf('> HTTP/1.1 101 Switching Protocols')
    expect(answer).toBe(8)
    expect(lines.slice(answer).filter((line) => line.includes('Hello'))).toHaveLength(2)
  })

  test.each(['ends', 'resets'])('of nobody, when a client says nothing and %s', async (how) => {
    const log = new MemoryLog()
    const server = await startHere(echo, { logger: log })
    const client = await dial(server)
    if (how === 'ends') client.socket.end()
    else reset(client)
    await client.ended
    const other = await dial(server)
    other.write(handshake())
    await expectOpen(other)
    await expectEcho(other)
    expect(log.lines).toEqual([])
    other.write(maskedClose(1000))
    await other.ended
    await server.close()
  })

  test('of nobody, when a client ends in the middle of its head', async () => {
    const server = await startHere(echo)
    const client = await dial(server)
    client.socket.end(handshake().slice(0, 40))
    await client.ended
    expect(server.connections.size).toBe(0)
  })

  test('and gives each silent client all its time, and no more: 408', async () => {
    const openTimeout = 300
    const server = await startHere(echo, { openTimeout })
    const times = await Promise.all(
      [0, 0, 100, 200, 200].map(async (delay) => {
        await new Promise((resolve) => setTimeout(resolve, delay))
        const begun = performance.now()
        const client = await dial(server)
        const response = await client.readResponse()
        const taken = performance.now() - begun
        expect([response.status, response.headers.connection]).toEqual([408, 'close'])
        await client.ended
        return taken
      }),
    )
    // Whoever came later has not less time. Node.js itself looks once in a while only.
    if (isOn) expect(Math.min(...times)).toBeGreaterThanOrEqual(openTimeout)
    expect(server.connections.size).toBe(0)
  })

  test('and forgets the time of those that spoke', async () => {
    const server = await startHere(echo, { openTimeout: 200 })
    const client = await dial(server)
    client.write(handshake())
    await expectOpen(client)
    const silent = await dial(server)
    expect((await silent.readHead()).status).toBe(408)
    await expectEcho(client)
    // The timer is set anew for who comes when nobody was left.
    const later = await dial(server)
    expect((await later.readHead()).status).toBe(408)
    await expectEcho(client)
  })

  test('and does not wait for silent clients to close', { timeout: 5000 }, async () => {
    const server = await startHere(echo)
    const clients = await Promise.all(Array.from({ length: 5 }, () => dial(server)))
    clients[0]!.write('GET / HT')
    clients[1]!.write(handshake())
    await expectOpen(clients[1]!)
    const closing = server.close({ timeout: 60_000 })
    expect((await clients[1]!.readClose()).code).toBe(1001)
    clients[1]!.write(maskedClose(1001))
    await closing
    await Promise.all(clients.map(({ ended }) => ended))
  })

  test('and keeps nothing of those that are gone', async () => {
    const server = await startHere(echo)
    const sockets = (): number =>
      process.getActiveResourcesInfo().filter((name) => /Socket|TLS/.test(name)).length
    const before = sockets()
    for (let round = 0; round < 10; round++) {
      await Promise.all(
        Array.from({ length: 20 }, async (_, index) => {
          const client = await dial(server)
          if (index % 4 !== 0) {
            client.write(concat(latin1(handshake()), masked(0x81, 'Hello')))
            await expectOpen(client)
            expect(await client.readText()).toBe('Hello')
            if (index % 4 === 1) client.write(maskedClose(1000))
          }
          client.socket.end()
          await client.ended
          await new Promise<void>((resolve) => {
            if (client.socket.closed) resolve()
            else client.socket.once('close', () => resolve())
          })
        }),
      )
    }
    // With nobody left, the server closes without dropping anybody.
    await server.close()
    expect(server.connections.size).toBe(0)
    expect(sockets()).toBeLessThanOrEqual(before)
  })
})

describe('server that is closing', () => {
  test('refuses a handshake over TLS that began before with 503', async () => {
    const server = await start(stay, { tls: SERVER_TLS })
    const early = await RawClient.connect(at(server))
    const open = await RawClient.open({ ...at(server), tls: CLIENT_TLS })
    const closing = server.close({ timeout: 10_000 })
    expect((await open.readClose()).code).toBe(1001)
    const late = new RawClient(connectTls({ ...CLIENT_TLS, socket: early.socket, servername: 'localhost' }))
    late.write(concat(latin1(handshake()), masked(0x81, 'Hello')))
    const { status, headers } = await late.readResponse()
    expect([status, headers['retry-after']]).toEqual([503, '1'])
    open.write(maskedClose(1001))
    await closing
    await late.ended
  })
})

describe('HeadReader.install', () => {
  const acceptor = new Acceptor(stay, resolveUpgradeOptions({}))

  test('takes the place of the listener that node:http has', async () => {
    await prepareSockets()
    const http = createServer()
    const [parse] = http.listeners('connection')
    expect(HeadReader.install(http, acceptor, 1000)).toBeInstanceOf(HeadReader)
    expect(http.listeners('connection')).toHaveLength(1)
    expect(http.listeners('connection')[0]).not.toBe(parse)
  })

  test('leaves a server alone where others listen as well, or nobody', async () => {
    await prepareSockets()
    const crowded = createServer().on('connection', () => {})
    const listeners = crowded.listeners('connection')
    expect(HeadReader.install(crowded, acceptor, 1000)).toBeUndefined()
    expect(crowded.listeners('connection')).toEqual(listeners)
    const empty = createServer().removeAllListeners('connection')
    expect(HeadReader.install(empty, acceptor, 1000)).toBeUndefined()
    expect(empty.listeners('connection')).toEqual([])
  })

  test('leaves it alone where it is turned off', async () => {
    await prepareSockets()
    vi.stubEnv('OPENLINE_FAST_HANDSHAKE', 'off')
    expect(HeadReader.install(createServer(), acceptor, 1000)).toBeUndefined()
    vi.stubEnv('OPENLINE_FAST_HANDSHAKE', 'on')
    expect(HeadReader.install(createServer(), acceptor, 1000)).toBeInstanceOf(HeadReader)
  })

  test('leaves it alone before it is known what sockets can do', async () => {
    vi.resetModules()
    const fresh = await import('../../src/server/head-reader.ts')
    expect(fresh.HeadReader.install(createServer(), acceptor as never, 1000)).toBeUndefined()
    vi.resetModules()
  })

  test('leaves it alone where sockets cannot read into our memory: serve works as ever', async () => {
    vi.resetModules()
    vi.stubEnv('OPENLINE_SHARED_READ', 'off')
    const { serve } = await import('../../src/index.ts')
    const { SocketTransport: Transport } = await import('../../src/transport/socket-transport.ts')
    const peek = vi.spyOn(Transport.prototype, 'peek')
    const server = await serve(echo as never, { host: '127.0.0.1' })
    onTestFinished(() => server.close({ timeout: 200 }))
    const client = await RawClient.open(at(server))
    client.write(masked(0x81, 'Hello'))
    expect(await client.readText()).toBe('Hello')
    expect(peek).not.toHaveBeenCalled()
    vi.resetModules()
  })
})

test('each client that says nothing has its own time', async () => {
  // A wheel of timers that has known no other time.
  vi.resetModules()
  onTestFinished(() => void vi.resetModules())
  const sockets = await import('../../src/transport/socket-transport.ts')
  const acceptors = await import('../../src/server/acceptor.ts')
  const readers = await import('../../src/server/head-reader.ts')
  await sockets.prepareSockets()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const http = createServer()
  const acceptor = new acceptors.Acceptor(stay as never, resolveUpgradeOptions({}))
  const reader = readers.HeadReader.install(http, acceptor, 500)!
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void http.close())
  const { port } = http.address() as AddressInfo
  const dial = async (): Promise<{ readonly client: RawClient; readonly socket: Socket }> => {
    const accepted = once(http, 'connection')
    const client = await RawClient.connect({ host: '127.0.0.1', port })
    const [socket] = (await accepted) as [Socket]
    return { client, socket }
  }
  const first = await dial()
  vi.advanceTimersByTime(100)
  const second = await dial()
  const third = await dial()
  third.client.write(handshake())
  expect((await third.client.readHead()).status).toBe(101)
  const gone = await dial()
  const closed = once(gone.socket, 'close')
  gone.client.socket.end()
  await closed
  const end = vi.spyOn(gone.socket, 'end')
  // Who does not end its half when the server does is dropped.
  second.client.socket.allowHalfOpen = true
  const dropped = once(second.socket, 'close')
  const refused = (): boolean[] => [first, second, third].map(({ socket }) => socket.writableEnded)
  vi.advanceTimersByTime(395)
  expect(refused()).toEqual([false, false, false])
  // The wheel of timers is late by 10 ms at most.
  vi.advanceTimersByTime(15)
  expect(refused()).toEqual([true, false, false])
  vi.advanceTimersByTime(85)
  expect(refused()).toEqual([true, false, false])
  vi.advanceTimersByTime(15)
  expect(refused()).toEqual([true, true, false])
  expect(await first.client.readResponse()).toMatchObject({ status: 408, body: 'no request came\n' })
  expect((await second.client.readResponse()).status).toBe(408)
  await dropped
  expect(end).not.toHaveBeenCalled()
  // The timer is set anew for who comes when nobody was left.
  const fourth = await dial()
  vi.advanceTimersByTime(495)
  expect(fourth.socket.writableEnded).toBe(false)
  reader.close()
  await fourth.client.ended
  expect((await fourth.client.readToEnd()).toString()).toBe('')
  vi.advanceTimersByTime(500)
  expect(third.socket.writableEnded).toBe(false)
})

test('a socket that cannot be peeked at goes to node:http', async () => {
  await prepareSockets()
  const http = createServer((_request, response) => response.end('answer'))
  const acceptor = new Acceptor(stay, resolveUpgradeOptions({}))
  HeadReader.install(http, acceptor, 1000)
  // Whoever listens before may have read already.
  http.prependListener('connection', (socket) => socket.unshift(latin1('GET / HTTP/1.1\r\n')))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void http.close())
  const client = await RawClient.connect({ host: '127.0.0.1', port: (http.address() as AddressInfo).port })
  client.write('Host: localhost\r\nConnection: close\r\n\r\n')
  expect((await client.readResponse()).body).toContain('answer')
})

describe('what readRequestHead takes', () => {
  /** What node:http makes of bytes that begin a line. */
  type Outcome = { readonly request: IncomingMessage; readonly rest: Buffer } | string

  const options: ServerOptions = {
    maxHeaderSize: MAX_HEADER_SIZE,
    ...{
      shouldUpgradeCallback: ({ headers }: IncomingMessage) =>
        listHasToken(headers.upgrade ?? '', 'websocket'),
    },
  }
  const http = createServer(options)
  http.maxHeadersCount = MAX_HEADERS + 1
  let settle: (outcome: Outcome) => void
  http.on('upgrade', (request, _socket, rest) => settle({ request, rest }))
  http.on('connect', () => settle('connect'))
  http.on('request', ({ method }) => settle(`request ${method}`))
  http.on('clientError', (error: NodeJS.ErrnoException) => settle(`clientError ${error.code}`))

  async function askNode(bytes: Buffer): Promise<Outcome> {
    const line = new Duplex({ read: () => {}, write: (_chunk, _encoding, callback) => callback() })
    const outcome = await new Promise<Outcome>((resolve) => {
      settle = resolve
      http.emit('connection', line)
      line.push(bytes)
    })
    line.destroy()
    return outcome
  }

  /** Generate from the first, and once in a while from the second. */
  const mostly = <Value>(usual: fc.Arbitrary<Value>, rare: fc.Arbitrary<Value>): fc.Arbitrary<Value> =>
    fc.oneof({ weight: 15, arbitrary: usual }, { weight: 1, arbitrary: rare })
  const text = (units: string, maxLength: number, minLength = 0): fc.Arbitrary<string> =>
    fc.string({ unit: fc.constantFrom(...units), minLength, maxLength })

  const space = mostly(fc.constantFrom('', ' ', '  '), text(' \t', 3))
  const upgrades = mostly(
    fc.constantFrom('websocket', 'WebSocket', 'h2c, websocket', 'websocket,', ',websocket,', 'websocket\t,x'),
    fc.constantFrom('', 'h2c', 'websocket/13', 'websocket;x'),
  )
  const connections = mostly(
    fc.constantFrom(
      'Upgrade',
      'keep-alive, Upgrade',
      'close,upgrade',
      'upgrade , close',
      ',,upgrade,,',
      'upgradex,upgrade',
      'a b, upgrade',
      'upgrade b, upgrade',
      '"upgrade",upgrade',
    ),
    fc.constantFrom(
      'upgrade\t',
      'upgrade\t,x',
      'x,\tupgrade',
      'keep-alive\t,upgrade',
      'upgrade x',
      'xupgrade',
      '',
    ),
  )
  const hosts = fc.constantFrom('localhost', 'example.com:8080', '[::1]', '', 'a b', '\xe9')
  const names = mostly(
    fc.oneof(
      fc.constantFrom(
        'Cookie',
        'Proxy-Connection',
        'Keep-Alive',
        'TE',
        'Trailer',
        'Age',
        'Content-Lengt',
        'toString',
      ),
      text("!#$%&'*+-.^_`|~09azAZ", 6, 1),
    ),
    fc.constantFrom(
      'Set-Cookie',
      'Expect',
      'Content-Length',
      'Transfer-Encoding',
      'Host',
      'constructor',
      '__proto__',
      'x y',
      'x\t',
      'x(',
      '\xe9',
    ),
  )
  const values = mostly(
    fc.oneof(
      text('aZ09 ,;:="\t\x7e\x80\xa0\xff', 12),
      fc.constantFrom('upgrade', 'close', 'chunked', '0', '5', '100-continue', 'a=b'),
    ),
    fc.constantFrom(15_000, 16_000, 17_000).map((length) => 'v'.repeat(length)),
  )
  const headerLine = (name: fc.Arbitrary<string>, value: fc.Arbitrary<string>): fc.Arbitrary<string> =>
    fc
      .tuple(name, space, value, space)
      .map(([first, before, middle, after]) => `${first}:${before}${middle}${after}`)
  const named = (name: string): fc.Arbitrary<string> =>
    fc.constantFrom(name, name, name.toLowerCase(), name.toUpperCase())
  const targets = mostly(
    fc.oneof(
      fc.constantFrom('/', '//', '/?', '/#a', '/?a#b#c?d', '/a|b', '/\\', '/"<>', '/{}^`', '/%zz', '/[]'),
      text('aZ0/?#%&=:@"|~', 10).map((rest) => `/${rest}`),
    ),
    fc.constantFrom('http://a/', '*', 'a', '', '/ '),
  )
  const head = fc
    .tuple(
      targets,
      fc.tuple(
        headerLine(named('Host'), hosts),
        headerLine(named('Upgrade'), upgrades),
        headerLine(named('Connection'), connections),
      ),
      fc.array(headerLine(names, values), { maxLength: 3 }),
      fc.nat(),
      fc.constantFrom('', 'x', '\r\n', '\x81\x80\0\0\0\0', GET),
    )
    .map(([target, own, others, place, rest]) => {
      const lines: string[] = [...own]
      for (const [index, line] of others.entries())
        lines.splice((place >> (3 * index)) % (lines.length + 1), 0, line)
      return [`GET ${target} HTTP/1.1`, ...lines, '', rest].join('\r\n')
    })
  const piece = fc.oneof(
    fc.constantFrom(
      '\t',
      ' ',
      '\r',
      '\n',
      '\r\n',
      '\r\n\r\n',
      '\r\n ',
      ':',
      ',',
      '\0',
      '\x7f',
      '\x80',
      '\xff',
      '#',
      '\x0b',
    ),
    fc.nat(255).map((code) => String.fromCharCode(code)),
  )
  const change = fc.record({
    how: fc.constantFrom('insert', 'remove', 'replace', 'double'),
    at: fc.nat(),
    piece,
  })
  const mutated = fc
    .tuple(head, fc.oneof(fc.constant([]), fc.array(change, { maxLength: 3 })))
    .map(([given, changes]) => changes.reduce(mutate, given))

  function mutate(
    text: string,
    { how, at: place, piece: given }: { how: string; at: number; piece: string },
  ): string {
    const index = place % (text.length + 1)
    if (how === 'double') {
      const lines = text.split('\r\n')
      const line = place % lines.length
      return lines.toSpliced(line, 0, lines[line]!).join('\r\n')
    }
    const inserted = how === 'remove' ? '' : given
    return text.slice(0, index) + inserted + text.slice(index + Number(how !== 'insert'))
  }

  test('node:http takes as well, and reads it no other way', { timeout: 60_000 }, async () => {
    let taken = 0
    await fc.assert(
      fc.asyncProperty(mutated, async (text) => {
        const plain = readRequestHead(text.slice(0, MAX_HEADER_SIZE), MAX_HEADERS)
        if (plain === undefined) return
        taken++
        const outcome = await askNode(latin1(text))
        if (typeof outcome === 'string') expect.fail(`node:http says ${outcome}`)
        const { method, url, httpVersion, headers } = outcome.request
        expect({ method, target: url, httpVersion, headers: { ...headers } }).toEqual({
          method: plain.method,
          target: plain.target,
          httpVersion: plain.httpVersion,
          headers: plain.headers,
        })
        expect(outcome.rest.toString('latin1')).toBe(text.slice(plain.length))
      }),
      { numRuns: 4000 },
    )
    expect(taken).toBeGreaterThan(500)
  })

  test.each([MAX_HEADERS, MAX_HEADERS - 1])('also with as many lines as are allowed: %d', async (count) => {
    const lines = Array.from({ length: count - 5 }, (_, index) => `X-${index}: ${index}\r\n`)
    const text = `${handshake().slice(0, -2)}${lines.join('')}\r\n`
    const plain = readRequestHead(text, MAX_HEADERS)
    const outcome = await askNode(latin1(text))
    expect(typeof outcome === 'string' ? outcome : { ...outcome.request.headers }).toEqual(plain?.headers)
    expect(Object.keys(plain!.headers)).toHaveLength(count)
  })
})
