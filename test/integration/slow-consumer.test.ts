// What a peer that does not read, or a program that does not wait, can cost.

import { once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { type Connection, connect, type Server, serve } from '../../src/index.ts'
import { connectedPair } from '../../src/testing/index.ts'
import { connectRaw, settle, TEXT } from '../connection/support.ts'
import { RawClient } from '../support/raw-client.ts'

const servers: Server[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close({ timeout: 1 })
})

/** A server on loopback, and its end of the next connection. */
async function serveOne(
  options: Parameters<typeof serve>[1] = {},
): Promise<{ url: string; accepted: Promise<Connection> }> {
  let accept!: (connection: Connection) => void
  const accepted = new Promise<Connection>((resolve) => {
    accept = resolve
  })
  const server = await serve({ open: (connection) => accept(connection) }, { ...options, host: '127.0.0.1' })
  servers.push(server)
  return { url: server.url, accepted }
}

describe('server', () => {
  test('lets timers run while it sends in a loop to a peer that takes all', async () => {
    const { url, accepted } = await serveOne({ compression: false })
    const client = await connect(url, { handler: {} })
    const connection = await accepted
    let turns = 0
    const timer = setInterval(() => turns++, 0)
    const message = 'x'.repeat(1000)
    for (let count = 0; count < 20_000; count++) await connection.send(message)
    clearInterval(timer)
    expect(turns).toBeGreaterThan(5)
    client.terminate()
  })

  test('does not resolve a send by reference before its bytes have left', async () => {
    const { url, accepted } = await serveOne({ sendHighWaterMark: 64 * 1024 * 1024 })
    const wrong: number[] = []
    let received = 0
    const client = await connect(url, {
      handler: {
        message(_connection, message) {
          const expected = received++ & 0xff
          if ((message as Uint8Array).some((byte) => byte !== expected)) wrong.push(received)
        },
      },
    })
    const connection = await accepted
    client.pause()
    const bytes = new Uint8Array(100_000)
    let sent = 0
    const sending = (async () => {
      for (; sent < 200; sent++) await connection.send(bytes.fill(sent & 0xff))
    })()
    // Once the system takes no more, the sender must be waiting.
    let before = -1
    while (sent !== before || sent === 0) {
      before = sent
      for (let turn = 0; turn < 20; turn++) await nextTurn()
    }
    expect(sent).toBeLessThan(200)
    client.resume()
    await sending
    await connection.close()
    await client.closed
    expect([received, wrong]).toEqual([200, []])
  })

  test('takes no more from a client that does not read what callbacks answer', async () => {
    let answered = 0
    const server = await serve(
      {
        message(connection, message) {
          answered++
          connection.send(message)
        },
      },
      { host: '127.0.0.1' },
    )
    servers.push(server)
    const client = await connect(server.url)
    client.pause()
    const message = 'x'.repeat(60_000)
    let sent = 0
    const flood = (async () => {
      for (; sent < 2000; sent++) await client.send(message)
    })()
    flood.catch(() => {})
    let before = -1
    while (sent !== before || sent === 0) {
      before = sent
      for (let turn = 0; turn < 50; turn++) await nextTurn()
    }
    const [connection] = server.connections
    expect(sent).toBeLessThan(2000)
    expect(connection!.bufferedAmount).toBeLessThan(2 * 1024 * 1024)
    // And goes on where it stopped when the client reads.
    let received = 0
    const reading = (async () => {
      for await (const _ of client) if (++received === 2000) break
    })()
    client.resume()
    await Promise.all([flood, reading])
    expect([received, answered]).toEqual([2000, 2000])
    client.terminate()
  })

  test('drops a peer that does not read when a program sends on above maxBufferedAmount', async () => {
    const { url, accepted } = await serveOne({ maxBufferedAmount: 1024 * 1024 })
    const client = await connect(url)
    const connection = await accepted
    client.pause()
    const message = 'x'.repeat(60_000)
    let most = 0
    for (let count = 0; count < 1000 && connection.state === 'open'; count++) {
      void connection.send(message)
      most = Math.max(most, connection.bufferedAmount)
      await nextTurn()
    }
    const { error, diagnosis, clean } = await connection.closed
    expect(error).toMatchObject({ code: 'WS_SLOW_CONSUMER' })
    expect(diagnosis).toContain('does not read')
    expect(clean).toBe(false)
    expect(most).toBeLessThan(2 * 1024 * 1024)
    client.terminate()
  })

  test('runs as many async message handlers side by side as may wait, and no more', async () => {
    const finish: (() => void)[] = []
    let most = 0
    let running = 0
    const seen: unknown[] = []
    const pair = connectedPair({
      server: {
        handler: {
          async message(_connection, message) {
            most = Math.max(most, ++running)
            await new Promise<void>((resolve) => finish.push(resolve))
            running--
            seen.push(message)
          },
        },
      },
    })
    for (let count = 0; count < 100; count++) void pair.client.send(String(count))
    await settle()
    expect(most).toBe(16)
    while (seen.length < 100) {
      finish.shift()!()
      await settle()
    }
    expect(seen).toEqual(Array.from({ length: 100 }, (_, index) => String(index)))
    expect(most).toBe(16)
  })

  test('terminates inside a handler: what lies behind in the same read is not looked at', async () => {
    const { connection, peer } = connectRaw('server', {
      handler: { message: (connection) => connection.terminate() },
    })
    peer.send(TEXT, 'one')
    peer.close(1000)
    expect(await connection.closed).toMatchObject({
      code: 1006,
      initiator: 'local',
      clean: false,
      received: undefined,
      sent: undefined,
    })
  })

  test('survives a logger that throws, and closes with 1011', async () => {
    const logger = {
      error: vi.fn(() => {
        throw new Error('the log is full')
      }),
    }
    const pair = connectedPair({
      server: {
        logger,
        handler: {
          message: () => {
            throw new Error('no')
          },
        },
      },
    })
    void pair.client.send('x')
    expect((await pair.client.closed).code).toBe(1011)
    expect(logger.error).toHaveBeenCalledOnce()
  })

  test('tells of a close reason without its control characters', async () => {
    const pair = connectedPair()
    await pair.client.close(4000, '\u001b]0;title\u0007\nFAKE LINE')
    const { diagnosis, reason } = await pair.server.closed
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those must be gone.
    expect(diagnosis).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/)
    expect(reason).toContain('\u001b')
  })

  test('stays paused on a stream that resumes by itself', async () => {
    const server = await serve(
      { open: (connection) => connection.pause() },
      { host: '127.0.0.1', onHandshake: async () => 1 },
    )
    servers.push(server as Server)
    const client = await RawClient.open({ port: server.port, host: '127.0.0.1' })
    client.write(new Uint8Array(8 * 1024 * 1024))
    let before = -1
    while (client.socket.writableLength !== before) {
      before = client.socket.writableLength
      for (let turn = 0; turn < 50; turn++) await nextTurn()
    }
    expect(before).toBeGreaterThan(0)
    client.socket.destroy()
    await once(client.socket, 'close')
  })
})

describe('client', () => {
  test('gives a message to receive() when a loop gave up waiting for it', async () => {
    const pair = connectedPair()
    const iterator = pair.client[Symbol.asyncIterator]()
    const abandoned = iterator.next()
    await iterator.return!()
    expect(await abandoned).toEqual({ value: undefined, done: true })
    const next = pair.client.receive()
    await pair.server.send('one')
    expect(await next).toBe('one')
  })

  test.each([Number.NaN, 0, -1])('throws RangeError for a timeout of %s', (timeout) => {
    const pair = connectedPair()
    expect(() => pair.client.receive({ timeout })).toThrow(RangeError)
  })

  test('refuses a maxMessageSize that no string could hold', () => {
    expect(() => connectedPair({ client: { maxMessageSize: 2 ** 30 } })).toThrow(/maxMessageSize/)
  })
})
