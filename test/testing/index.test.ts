import { describe, expect, test, vi } from 'vitest'
import type { ExtensionDefinition } from '../../src/connection/extensions.ts'
import { HandshakeError } from '../../src/errors.ts'
import type { MessagePiece } from '../../src/protocol/extension.ts'
import * as testing from '../../src/testing/index.ts'
import { connectedPair, FakeClock, type PairOptions } from '../../src/testing/index.ts'
import { systemWheel } from '../../src/timing/timer-wheel.ts'
import { settle, stateOf } from '../connection/support.ts'

describe('openline/testing', () => {
  test('exports what it promises', () => {
    expect(Object.keys(testing).sort()).toEqual(['FakeClock', 'connectedPair'])
  })
})

describe('connectedPair', () => {
  test('makes a client and a server that talk to each other', async () => {
    const { client, server } = connectedPair()
    expect(client.role).toBe('client')
    expect(server.role).toBe('server')
    await client.send('from the client')
    await server.send('from the server')
    expect(await server.receive()).toBe('from the client')
    expect(await client.receive()).toBe('from the server')
    await client.close()
    expect(await server.closed).toMatchObject({ code: 1000, clean: true })
  })

  test('gives each end its own options and handler', async () => {
    const received: unknown[] = []
    const { client, server } = connectedPair({
      client: {
        handler: {
          message: (_, message) => {
            received.push(message)
          },
        },
      },
      server: { maxMessageSize: 3 },
    })
    await server.send('longer than three')
    await settle()
    expect(received).toEqual(['longer than three'])
    await client.send('four')
    expect(await server.closed).toMatchObject({ code: 1009 })
  })

  test('refuses options that are wrong', () => {
    expect(() => connectedPair({ server: { maxMessageSize: -1 } })).toThrow('maxMessageSize')
  })

  test('runs on the clock that it is given, else on the system clock', async () => {
    const clock = new FakeClock()
    const { client, server } = connectedPair({ clock, client: { pingInterval: 1000 } })
    await clock.advance(1000)
    expect(client.latency).toBe(0)
    expect(server.latency).toBeUndefined()
    const timed = connectedPair()
    const latency = timed.client.ping()
    expect(await latency).toBeLessThan(systemWheel.clock.now())
    timed.client.terminate()
  })

  test('cuts what it carries into pieces, and holds it back', async () => {
    const { client, server, hold, release } = connectedPair({ chunkSize: 1 })
    hold()
    await client.send('held')
    await server.send('back')
    const received = Promise.all([client.receive(), server.receive()])
    expect(await stateOf(received)).toBe('pending')
    release()
    expect(await received).toEqual(['back', 'held'])
  })

  test('cuts the line, with an error of the test or one of its own', async () => {
    const one = connectedPair()
    one.cut()
    expect((await one.client.closed).error).toEqual(new Error('the line was cut'))
    expect((await one.server.closed).diagnosis).toBe('the line was cut; no byte ever came')
    const other = connectedPair()
    const error = new Error('a storm')
    other.cut(error)
    expect((await other.client.closed).error).toBe(error)
    expect((await other.server.closed).error).toBe(error)
  })

  test('takes a high-water mark for the line', async () => {
    const { client, hold } = connectedPair({ highWaterMark: 10, client: { sendHighWaterMark: 0 } })
    hold()
    expect(await stateOf(client.send('x'.repeat(100)))).toBe('pending')
    client.terminate()
  })

  test.each<[string, PairOptions, string]>([
    ['by default', {}, 'permessage-deflate; server_max_window_bits=12; client_max_window_bits=12'],
    [
      'as both are told',
      {
        client: { compression: { clientNoContextTakeover: true } },
        server: { compression: { serverMaxWindowBits: 10 } },
      },
      'permessage-deflate; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=12',
    ],
    ['unless the client does not want it', { client: { compression: false } }, ''],
    ['unless the server does not want it', { server: { compression: false } }, ''],
  ])('agrees on permessage-deflate as in a handshake: %s', async (_how, options, agreed) => {
    const { client, server } = connectedPair(options)
    expect([client.extensions, server.extensions]).toEqual([agreed, agreed])
    const text = 'again and again '.repeat(100)
    await client.send(text)
    await server.send(text)
    expect([await server.receive(), await client.receive()]).toEqual([text, text])
  })

  test.each([
    ['fewer bytes where messages are compressed', true, 1, 100],
    ['all of them where they are not', false, 1600, 1700],
  ])('holds %s', async (_what, compression, least, most) => {
    const { client, hold } = connectedPair({ client: { compression } })
    await settle()
    hold()
    void client.send('again and again '.repeat(100))
    // Where zlib is only driven by its public streams, it compresses on a thread: the amount falls when that has ended.
    await expect.poll(() => client.bufferedAmount).toBeLessThan(most)
    expect(client.bufferedAmount).toBeGreaterThanOrEqual(least)
    client.terminate()
  })

  test('agrees on extensions of one’s own as in a handshake', async () => {
    const turning = (name: string): ExtensionDefinition => {
      const turn = ({ payload }: MessagePiece): Uint8Array => payload.slice().reverse()
      const extension = { name, encode: turn, decode: turn }
      const accept = (): ReturnType<NonNullable<ExtensionDefinition['accept']>> => ({
        parameters: [],
        extension,
      })
      return { name, offer: () => [], confirm: () => extension, accept }
    }
    const { client, server } = connectedPair({
      client: { compression: false, extensions: [turning('x-unknown'), turning('x-turn')] },
      server: { extensions: [turning('x-turn')] },
    })
    expect([client.extensions, server.extensions]).toEqual(['x-turn', 'x-turn'])
    await client.send('stressed')
    expect(await server.receive()).toBe('stressed')
  })

  test('gives windows back on the clock that it is given', async () => {
    const clock = new FakeClock()
    const set = vi.spyOn(globalThis, 'setTimeout')
    const { client, server } = connectedPair({
      clock,
      client: { pingInterval: false },
      server: { pingInterval: false },
    })
    const text = 'again and again '.repeat(100)
    for (let turn = 0; turn < 3; turn++) {
      await client.send(text)
      expect(await server.receive()).toBe(text)
      await clock.advance(100_000)
    }
    expect(set).not.toHaveBeenCalled()
    set.mockRestore()
  })

  test('refuses extensions that are wrong', () => {
    expect(() => connectedPair({ client: { extensions: [{ name: '' }] } })).toThrow(TypeError)
    const refusing: ExtensionDefinition = {
      name: 'x-test',
      offer: () => [],
      confirm: () => {
        throw new Error('no')
      },
      accept: () => ({ parameters: [], extension: { name: 'x-test' } }),
    }
    const extensions = [refusing]
    expect(() => connectedPair({ client: { extensions }, server: { extensions } })).toThrow(HandshakeError)
  })
})
