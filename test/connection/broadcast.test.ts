import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { broadcast, prepare } from '../../src/connection/broadcast.ts'
import type { Connection } from '../../src/connection/connection.ts'
import { connect, type Server, serve } from '../../src/index.ts'
import { connectedPair } from '../../src/testing/index.ts'
import { hex, pattern, toHex, utf8 } from '../support/bytes.ts'
import {
  connectRaw,
  FakeSource,
  inflate,
  isSame,
  noise,
  prose,
  type RawConnection,
  type RawOptions,
  ROLES,
  RSV1,
  receiveMany,
  settle,
  until,
} from './support.ts'

const servers: Server[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close({ timeout: 1 })
})

async function serveQuietly(): Promise<Server> {
  const server = await serve({}, { host: '127.0.0.1' })
  servers.push(server)
  return server
}

describe('broadcast', () => {
  test('sends text as text and bytes as binary, to all', async () => {
    const ends = [connectRaw('server'), connectRaw('server')]
    const connections = ends.map(({ connection }) => connection)
    expect(broadcast(connections, 'grüße')).toBe(2)
    expect(broadcast(connections, hex('01 ff'))).toBe(2)
    expect(broadcast(connections, hex('02').buffer as ArrayBuffer)).toBe(2)
    expect(broadcast(connections, '')).toBe(2)
    await settle()
    for (const { peer } of ends) {
      expect(peer.takeFrames().map(({ fin, opcode, payload }) => [fin, opcode, toHex(payload)])).toEqual([
        [true, 1, toHex(utf8('grüße'))],
        [true, 2, '01 ff'],
        [true, 2, '02'],
        [true, 1, ''],
      ])
    }
  })

  test('sends as the type that is asked for', async () => {
    const { connection, peer } = connectRaw('server')
    broadcast([connection], 'a', { type: 'binary' })
    broadcast([connection], utf8('ü'), { type: 'text' })
    await settle()
    expect(peer.takeFrames().map(({ opcode, payload }) => [opcode, toHex(payload)])).toEqual([
      [2, '61'],
      [1, toHex(utf8('ü'))],
    ])
  })

  test('throws a TypeError for what is no message, also when nobody listens', () => {
    expect(() => broadcast([], 1 as never)).toThrow(TypeError)
    expect(() => broadcast([], hex('ff'), { type: 'text' })).toThrow(/valid UTF-8/)
  })

  test('masks for each peer anew as a client', async () => {
    const ends = [connectRaw('client'), connectRaw('client')]
    broadcast(
      ends.map(({ connection }) => connection),
      'same',
    )
    await settle()
    for (const { peer } of ends) {
      const [frame] = peer.takeFrames()
      expect(toHex(frame!.payload)).toBe(toHex(utf8('same')))
      expect(frame!.maskingKey).toBeDefined()
    }
  })

  test('leaves out the exception and who is not open', async () => {
    const pairs = [connectedPair(), connectedPair(), connectedPair()]
    const [first, second, third] = pairs.map(({ server }) => server) as [Connection, Connection, Connection]
    await third.close()
    expect(broadcast([first, second, third], 'news', { except: first })).toBe(1)
    expect(await pairs[1]!.client.receive()).toBe('news')
  })

  test('copies bytes, so that they can be changed at once', async () => {
    const { client, server } = connectedPair()
    const bytes = hex('01 02 03')
    broadcast([server], bytes)
    bytes.fill(9)
    expect(await client.receive()).toEqual(hex('01 02 03'))
  })

  test('keeps the order with what is sent before, between and after, in one turn', async () => {
    const server = await serveQuietly()
    const client = await connect(server.url)
    const [connection] = server.connections as Set<Connection>
    const large = pattern(100_000)
    connection!.send('sent')
    broadcast(server.connections, 'one')
    broadcast(server.connections, 'two')
    connection!.send('between')
    broadcast(server.connections, 'three')
    broadcast(server.connections, large)
    broadcast(server.connections, 'after the large one')
    connection!.send('last')
    const messages = await receiveMany(client, 8)
    expect(messages).toEqual(['sent', 'one', 'two', 'between', 'three', large, 'after the large one', 'last'])
    await client.close()
  })

  test('gathers many messages of one turn', async () => {
    const server = await serveQuietly()
    const clients = await Promise.all(Array.from({ length: 20 }, () => connect(server.url)))
    const texts = Array.from({ length: 300 }, (_, index) => `message ${index}`)
    for (const text of texts) expect(broadcast(server.connections, text)).toBe(20)
    for (const client of clients) {
      expect(await receiveMany(client, texts.length)).toEqual(texts)
      await client.close()
    }
  })

  test('drops who does not read, and nobody else', async () => {
    const server = await serve({}, { host: '127.0.0.1', maxBufferedAmount: 1024 * 1024 })
    servers.push(server)
    const reader = await connect(server.url, { handler: {} })
    const sleeper = await connect(server.url)
    sleeper.pause()
    await settle()
    const connections = [...server.connections]
    const bytes = pattern(256 * 1024)
    let reached = 2
    for (let turn = 0; turn < 1000 && reached === 2; turn++) {
      reached = broadcast(connections, bytes)
      await settle()
    }
    expect(reached).toBe(1)
    const dropped = connections.find(({ state }) => state !== 'open')
    expect((await dropped!.closed).sent?.code).toBe(1008)
    expect(reader.state).toBe('open')
    sleeper.terminate()
    reader.terminate()
  })

  test('tells a handler when all that was above the mark has left', async () => {
    let drained = 0
    const server = await serve({ drain: () => void drained++ }, { host: '127.0.0.1' })
    servers.push(server)
    const client = await connect(server.url)
    client.pause()
    const [connection] = server.connections
    const bytes = pattern(512 * 1024)
    while (connection!.bufferedAmount < 1024 * 1024) {
      broadcast([connection!], bytes)
      await settle()
    }
    expect(drained).toBe(0)
    client.resume()
    for await (const message of client) {
      expect(message).toHaveLength(bytes.length)
      if (drained > 0) break
    }
    expect(connection!.bufferedAmount).toBe(0)
    client.terminate()
  })

  test('goes on when a peer is gone', async () => {
    const server = await serveQuietly()
    const clients = await Promise.all([connect(server.url), connect(server.url)])
    const connections = [...server.connections]
    connections[0]!.terminate()
    expect(broadcast(connections, 'still here')).toBe(1)
    const results = await Promise.allSettled(clients.map((client) => client.receive()))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const client of clients) client.terminate()
  })
})

/** Make the server's ends of connections with these options. */
function serversWith(...options: RawOptions[]): RawConnection[] {
  return options.map((each) => connectRaw('server', each))
}

function connectionsOf(ends: readonly RawConnection[]): Connection[] {
  return ends.map(({ connection }) => connection)
}

/** Tell what each end sent: the frame's reserved bits, and its payload. */
async function sentBy(ends: readonly RawConnection[]): Promise<[reservedBits: number, payload: string][]> {
  await settle()
  return ends.map(({ peer }) => {
    const [frame, ...rest] = peer.takeFrames()
    expect(rest).toEqual([])
    return [frame!.reservedBits, toHex(frame!.payload)]
  })
}

describe('a compressed broadcast', () => {
  const deflating: RawOptions = { agreed: 'permessage-deflate' }
  const text = prose(2000)

  test('goes out as one frame to all peers that agreed on the same', async () => {
    const ends = serversWith(deflating, deflating, {
      agreed: 'permessage-deflate; server_no_context_takeover',
    })
    expect(broadcast(connectionsOf(ends), text)).toBe(3)
    const [first, ...others] = await sentBy(ends)
    expect(others).toEqual([first, first])
    expect(first![0]).toBe(RSV1)
    expect(isSame(inflate(hex(first![1])), utf8(text))).toBe(true)
  })

  test('is compressed once for each window, and not for peers without compression', async () => {
    const narrow = { agreed: 'permessage-deflate; server_max_window_bits=9' }
    const ends = serversWith(deflating, { compression: false }, narrow, deflating, narrow, {})
    const prepared = prepare(text)
    const made: string[] = []
    const compressed = prepared.compressed.bind(prepared)
    vi.spyOn(prepared, 'compressed').mockImplementation((peers, compress) =>
      compressed(peers, (payload) => {
        made.push(peers)
        return compress(payload)
      }),
    )
    expect(broadcast(connectionsOf(ends), prepared)).toBe(6)
    expect(broadcast(connectionsOf(ends), prepared)).toBe(6)
    await settle()
    const frames = ends.map(({ peer }) => peer.takeFrames().map(({ payload }) => toHex(payload)))
    expect([made.length, new Set(made).size]).toEqual([2, 2])
    expect(new Set(frames.map(([one]) => one)).size).toBe(3)
    expect(frames.every(([one, two]) => one === two)).toBe(true)
    for (const [index, [one]] of frames.entries()) {
      const payload = hex(one!)
      expect(isSame([1, 5].includes(index) ? payload : inflate(payload), utf8(text))).toBe(true)
    }
  })

  test.each<[string, string | Uint8Array, Parameters<typeof broadcast>[2]]>([
    ['when that is asked for', text, { compress: false }],
    ['below the threshold', text.slice(0, 255), {}],
    ['when that is no gain', noise(500), {}],
  ])('goes out as it is %s', async (_when, message, options) => {
    const ends = serversWith(deflating, {})
    broadcast(connectionsOf(ends), message, options)
    const plain: [number, string] = [0, toHex(typeof message === 'string' ? utf8(message) : message)]
    expect(await sentBy(ends)).toEqual([plain, plain])
  })

  test('is compressed for each peer anew as a client', async () => {
    const ends = [connectRaw('client', deflating), connectRaw('client', deflating)]
    broadcast(connectionsOf(ends), text)
    for (const [bits, payload] of await sentBy(ends)) {
      // Where nothing can be compressed at once it goes as it is.
      const message = bits === RSV1 ? inflate(hex(payload)) : hex(payload)
      expect(isSame(message, utf8(text))).toBe(true)
    }
  })

  test('waits its turn where a message is under way, and does not elsewhere', async () => {
    const ends = serversWith(deflating, deflating)
    const source = new FakeSource()
    const sending = ends[0]!.connection.send(source)
    source.give('half')
    await until(() => ends[0]!.peer.size > 0)
    ends[0]!.peer.takeFrames()
    expect(broadcast(connectionsOf(ends), text)).toBe(2)
    await settle()
    expect(ends.map(({ peer }) => peer.takeFrames().length)).toEqual([0, 1])
    source.end()
    await sending
    await until(() => ends[0]!.connection.bufferedAmount === 0)
    const frames = ends[0]!.peer.takeFrames()
    expect(frames.map(({ fin, opcode, reservedBits }) => [fin, opcode, reservedBits])).toEqual([
      [true, 0, 0],
      [true, 1, RSV1],
    ])
    expect(isSame(inflate(frames[1]!.payload), utf8(text))).toBe(true)
  })

  const parameters = [
    {},
    { serverMaxWindowBits: 9, clientMaxWindowBits: 9 },
    { serverMaxWindowBits: 15, clientMaxWindowBits: 15, level: 9, memLevel: 9 },
    { serverNoContextTakeover: true },
    { clientNoContextTakeover: true },
  ]

  test.each(ROLES)('leaves what a %s sends otherwise as it was', async (role) => {
    // Invariant: however broadcasts and messages of one's own follow each other, each peer gets what it was sent.
    const other = role === 'client' ? 'server' : 'client'
    const pairs = [
      ...parameters.map((compression) => connectedPair({ client: { compression }, server: { compression } })),
      connectedPair({ client: { compression: false } }),
    ]
    const senders = pairs.map((pair) => pair[role])
    const step = fc.record({
      kind: fc.constantFrom('broadcast', 'prepared', 'own', 'own', 'long', 'source'),
      size: fc.integer({ min: 0, max: 3000 }),
      seed: fc.integer({ min: 1, max: 5 }),
      compress: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const expected: string[] = []
        for (const { kind, size, seed, compress } of steps) {
          const message = prose(kind === 'long' ? 33_000 + size : size, seed)
          expected.push(message)
          if (kind === 'broadcast') expect(broadcast(senders, message, { compress })).toBe(pairs.length)
          else if (kind === 'prepared') {
            const prepared = prepare(message, { compress })
            for (const sender of senders) void sender.send(prepared)
          } else {
            for (const sender of senders) {
              if (kind === 'source') {
                void sender.send([message.slice(0, 100), message.slice(100)], { compress })
              } else void sender.send(message, { compress })
            }
          }
        }
        for (const pair of pairs) expect(await receiveMany(pair[other], steps.length)).toEqual(expected)
      }),
      { numRuns: 15 },
    )
  })
})

describe('prepare', () => {
  test('throws as broadcast does', () => {
    expect(() => prepare(1 as never)).toThrow(TypeError)
    expect(() => prepare(['pieces'] as never)).toThrow(TypeError)
    expect(() => prepare(hex('ff'), { type: 'text' })).toThrow(/valid UTF-8/)
  })

  test('makes a message that send() and broadcast() take, as often as they like', async () => {
    const { client, server } = connectedPair()
    const bytes = hex('01 02')
    const messages = [prepare('text'), prepare(bytes), prepare('bytes', { type: 'binary' }), prepare('')]
    bytes.fill(9)
    for (const message of messages) {
      await client.send(message)
      expect(broadcast([server], message)).toBe(1)
      await server.send(message)
    }
    const expected = ['text', hex('01 02'), utf8('bytes'), '']
    expect(await receiveMany(server, 4)).toEqual(expected)
    expect(await receiveMany(client, 8)).toEqual(expected.flatMap((message) => [message, message]))
  })

  test('is waited for like other messages', async () => {
    const { connection, peer } = connectRaw('server', { sendHighWaterMark: 1000 })
    await settle()
    peer.pause()
    const sending = connection.send(prepare(pattern(2000)))
    let isDone = false
    void sending.then(() => {
      isDone = true
    })
    await settle()
    expect(isDone).toBe(false)
    peer.resume()
    await sending
  })

  test('is refused like other messages', async () => {
    const { connection } = connectRaw('server')
    connection.terminate()
    await expect(connection.send(prepare('late'))).rejects.toMatchObject({ code: 'WS_CLOSED' })
  })

  test('rejects when it waited its turn in vain', async () => {
    const { connection } = connectRaw('server')
    void connection.send(new FakeSource())
    const sending = connection.send(prepare('behind'))
    await settle()
    connection.terminate()
    await expect(sending).rejects.toMatchObject({ code: 'WS_CLOSED' })
  })
})
