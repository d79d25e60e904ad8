import { afterEach, describe, expect, test } from 'vitest'
import { broadcast } from '../../src/connection/broadcast.ts'
import type { Connection } from '../../src/connection/connection.ts'
import { connect, type Server, serve } from '../../src/index.ts'
import { connectedPair } from '../../src/testing/index.ts'
import { hex, pattern, toHex, utf8 } from '../support/bytes.ts'
import { connectRaw, receiveMany, settle } from './support.ts'

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
