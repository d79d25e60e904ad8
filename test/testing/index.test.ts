import { describe, expect, test } from 'vitest'
import * as testing from '../../src/testing/index.ts'
import { connectedPair, FakeClock } from '../../src/testing/index.ts'
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
})
