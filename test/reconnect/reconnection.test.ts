import { describe, expect, test } from 'vitest'
import type { Connection } from '../../src/connection/connection.ts'
import { ConnectionClosedError, HandshakeRejectedError, StateError } from '../../src/errors.ts'
import { makeReconnection, type ReconnectOptions } from '../../src/reconnect/make-reconnection.ts'
import type { Reconnection } from '../../src/reconnect/reconnection.ts'
import { systemClock } from '../../src/timing/clock.ts'
import { MemoryNetwork, refused } from './support.ts'

function start(network: MemoryNetwork, options: ReconnectOptions = {}): Reconnection {
  return makeReconnection(network.connect, network.surroundings, 'ws://x/', { backoff: 100, ...options })
}

async function next(connections: Reconnection): Promise<Connection> {
  const { value, done } = await connections.next()
  expect(done).toBe(false)
  return value as Connection
}

describe('an iterable of connections', () => {
  test('gives the next one when the body of the loop has come to its end, and ends with it', async () => {
    const network = new MemoryNetwork()
    let rounds = 0
    for await (const connection of start(network)) {
      expect(connection.state).toBe('open')
      if (++rounds === 3) break
    }
    expect(network.pairs).toHaveLength(3)
    for (const { server } of network.pairs) expect(await server.closed).toMatchObject({ code: 1000 })
  })

  test('comes back after a connection was lost, when its time has come', async () => {
    const network = new MemoryNetwork()
    const connections = start(network)
    const first = await next(connections)
    network.last.cut()
    await first.closed
    const second = connections.next()
    await network.clock.advance(99)
    expect(network.pairs).toHaveLength(1)
    await network.clock.advance(1)
    expect((await second).value).toBe(network.last.client)
    await connections.return()
  })

  test('tries until it succeeds', async () => {
    const network = new MemoryNetwork()
    network.script = [refused(), refused(), refused()]
    const connections = start(network)
    const first = connections.next()
    await network.clock.advance(300)
    expect((await first).value).toBe(network.last.client)
    expect(network.dialled).toHaveLength(4)
    await connections.return()
  })

  test('throws what will not pass, once, and is over', async () => {
    const network = new MemoryNetwork()
    const failure = new HandshakeRejectedError({ status: 401, statusText: '', headers: {}, body: '' })
    network.script = [failure]
    const connections = start(network)
    await expect(connections.next()).rejects.toBe(failure)
    expect(await connections.next()).toEqual({ value: undefined, done: true })
    expect(network.dialled).toHaveLength(1)
  })

  test('throws how the connection was closed when that will not pass', async () => {
    const network = new MemoryNetwork()
    const connections = start(network)
    const connection = await next(connections)
    void network.last.server.close(1008, 'go away')
    await connection.closed
    const error = await connections.next().catch((error: unknown) => error)
    expect(error).toBeInstanceOf(ConnectionClosedError)
    expect((error as ConnectionClosedError).info).toMatchObject({ code: 1008, reason: 'go away' })
  })

  test('lets shouldRetry decide otherwise', async () => {
    const network = new MemoryNetwork()
    const seen: unknown[] = []
    const connections = start(network, {
      shouldRetry: (error, failures) => {
        seen.push((error as ConnectionClosedError).info?.code, failures)
        return true
      },
    })
    const connection = await next(connections)
    void network.last.server.close(4001)
    await connection.closed
    const second = connections.next()
    await network.clock.advance(100)
    expect((await second).done).toBe(false)
    expect(seen).toEqual([4001, 1])
    await connections.return()
  })

  test('closes a connection whose body left it open', async () => {
    const network = new MemoryNetwork()
    const connections = start(network)
    const first = await next(connections)
    await next(connections)
    expect(first.state).toBe('closed')
    expect(await network.pairs[0]!.server.closed).toMatchObject({ code: 1000, initiator: 'remote' })
    await connections.return()
  })

  test('stops dialling and waiting when left', async () => {
    const network = new MemoryNetwork()
    network.script = ['never']
    const dialling = start(network)
    const pending = dialling.next()
    await dialling.return()
    expect(await pending).toEqual({ value: undefined, done: true })

    network.script = [refused()]
    const waiting = start(network, { backoff: 1_000_000 })
    const late = waiting.next()
    await network.clock.advance(1)
    await waiting.return()
    expect(await late).toEqual({ value: undefined, done: true })
    expect(network.sleepers.size).toBe(0)
  })

  test('can be left in the moment in which a connection comes: closed is the last fact', async () => {
    const network = new MemoryNetwork()
    const connections = start(network)
    const pending = connections.next()
    await Promise.resolve()
    await Promise.resolve()
    await connections.return()
    expect(await pending).toEqual({ value: undefined, done: true })
    for (const { server } of network.pairs) expect(await server.closed).toMatchObject({ code: 1000 })
    for await (const { state } of connections.status()) expect(state).toBe('closed')
  })

  test('can be left while shouldRetry does not answer', async () => {
    const network = new MemoryNetwork()
    network.script = [refused()]
    const connections = start(network, { shouldRetry: () => new Promise(() => {}) })
    const pending = connections.next()
    await network.clock.advance(1)
    await connections.return()
    expect(await pending).toEqual({ value: undefined, done: true })
  })

  test('lets other things happen when attempts fail at once and nothing is waited for', async () => {
    const network = new MemoryNetwork()
    const aborter = new AbortController()
    let asked = 0
    const connections = makeReconnection(
      network.connect,
      { ...network.surroundings, clock: systemClock },
      () => {
        // Else this test would never end.
        if (++asked > 1000) aborter.abort('tight loop')
        throw new Error('no address')
      },
      { backoff: 0, shouldRetry: () => true, signal: aborter.signal },
    )
    setTimeout(() => aborter.abort('enough'), 20)
    await expect(connections.next()).rejects.toBe('enough')
  })

  test('can be left by await using', async () => {
    const network = new MemoryNetwork()
    {
      await using connections = start(network)
      await next(connections)
    }
    expect(await network.last.server.closed).toMatchObject({ code: 1000 })
  })

  test('lets only one wait at a time', async () => {
    const network = new MemoryNetwork()
    network.script = ['never']
    const connections = start(network)
    const pending = connections.next()
    await expect(connections.next()).rejects.toBeInstanceOf(StateError)
    await connections.return()
    await pending
  })

  test('tells what happens', async () => {
    const network = new MemoryNetwork()
    network.script = [refused()]
    const connections = start(network)
    const facts: string[] = []
    const reading = (async () => {
      for await (const { state } of connections.status()) facts.push(state)
    })()
    const first = connections.next()
    await network.clock.advance(100)
    await first
    await connections.return()
    await reading
    expect(facts).toEqual(['connecting', 'waiting', 'connecting', 'open', 'closed'])
  })
})

describe('a signal', () => {
  test('that is aborted already ends it before it begins', async () => {
    const network = new MemoryNetwork()
    const connections = start(network, { signal: AbortSignal.abort('enough') })
    await expect(connections.next()).rejects.toBe('enough')
    expect(network.dialled).toEqual([])
  })

  test('closes the open connection, and is what the loop throws', async () => {
    const network = new MemoryNetwork()
    const aborter = new AbortController()
    const loop = async (): Promise<void> => {
      for await (const connection of start(network, { signal: aborter.signal })) {
        setImmediate(() => aborter.abort(new Error('enough')))
        for await (const _message of connection) {
          // None comes.
        }
      }
    }
    await expect(loop()).rejects.toThrow('enough')
    expect(await network.last.server.closed).toMatchObject({ code: 1000 })
    expect(network.dialled).toHaveLength(1)
  })

  test('ends dialling and waiting with its reason', async () => {
    for (const script of [['never'], [refused()]]) {
      const network = new MemoryNetwork()
      network.script = script
      const aborter = new AbortController()
      const pending = start(network, { signal: aborter.signal }).next()
      await network.clock.advance(10)
      aborter.abort('enough')
      await expect(pending).rejects.toBe('enough')
    }
  })
})
