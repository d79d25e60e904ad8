import { describe, expect, test } from 'vitest'
import { type CloseOptions, connect, serve } from '../../src/index.ts'
import { handshake, masked, maskedClose, RawClient } from '../support/raw-client.ts'
import { CLIENT_TLS, SERVER_TLS } from '../support/tls-fixture.ts'
import { at, defer, echo, rawTo, start, stay } from './support.ts'

describe('server.close', () => {
  test('says 1001 to everybody and waits for their answers', async () => {
    const server = await start(stay)
    const clients = await Promise.all([connect(server.url), connect(server.url), connect(server.url)])
    await server.close()
    for (const client of clients) {
      expect(await client.closed).toMatchObject({ code: 1001, reason: '', clean: true, initiator: 'remote' })
    }
    expect([server.listening, server.connections.size]).toEqual([false, 0])
  })

  test('takes a code and a reason', async () => {
    const server = await start(stay)
    const client = await RawClient.open(at(server))
    const closing = server.close({ code: 1012, reason: 'back in a minute' })
    expect(await client.readClose()).toEqual({ code: 1012, reason: 'back in a minute' })
    client.write(maskedClose(1012))
    await closing
  })

  test('waits for handlers, which may still do their work', async () => {
    const gate = defer()
    let isDone = false
    const server = await start(async (connection) => {
      await connection.closed
      await gate.promise
      isDone = true
    })
    const client = await RawClient.open(at(server))
    const closing = server.close()
    await client.readClose()
    client.write(maskedClose(1001))
    await client.ended
    gate.resolve()
    await closing
    expect(isDone).toBe(true)
  })

  test('ends loops over messages quietly', async () => {
    const server = await start(echo)
    const handled = defer()
    const second = await start(async (connection) => {
      await echo(connection)
      handled.resolve()
    })
    await connect(server.url)
    await connect(second.url)
    await Promise.all([server.close(), second.close(), handled.promise])
  })

  test('is done once: calling it again only waits', async () => {
    const server = await start(stay)
    const client = await RawClient.open(at(server))
    const first = server.close({ code: 4000 })
    const second = server.close({ code: 4001 })
    expect(second).toBe(first)
    expect((await client.readClose()).code).toBe(4000)
    client.write(maskedClose(4000))
    await Promise.all([first, second, server.closed])
    await server.close()
  })

  test('drops a peer that does not answer by the deadline', async () => {
    const closed = defer<unknown>()
    const server = await start({ close: (_connection, info) => closed.resolve(info) })
    const client = await RawClient.open(at(server))
    await server.close({ timeout: 50 })
    await client.ended
    expect(await closed.promise).toMatchObject({ code: 1001, clean: false })
  })

  test('waits for the deadline once, though a handler never returns', async () => {
    const server = await start(() => new Promise<void>(() => {}))
    const client = await RawClient.open(at(server))
    const begin = performance.now()
    await server.close({ timeout: 500 })
    expect(performance.now() - begin).toBeLessThan(950)
    await client.ended
  })

  test.each([
    ['in plain TCP', false],
    ['before TLS', true],
  ])('does not wait for a client that never said anything, %s', async (_what, isSecure) => {
    const server = await start(stay, isSecure ? { tls: SERVER_TLS } : {})
    const client = await rawTo(server)
    // Another one that is through proves that the silent one was accepted.
    await RawClient.open(isSecure ? { ...at(server), tls: CLIENT_TLS } : at(server))
    await server.close({ timeout: 50 })
    await client.ended
  })

  test('does not wait for a handshake that waits for onHandshake: 503', async () => {
    const asked = defer<AbortSignal>()
    const decision = defer<undefined>()
    const server = await start(stay, {
      onHandshake: ({ signal }) => {
        asked.resolve(signal)
        return decision.promise
      },
    })
    const client = await rawTo(server)
    client.write(handshake())
    const signal = await asked.promise
    const closing = server.close()
    expect(signal.aborted).toBe(true)
    const { status, headers } = await client.readHead()
    expect([status, headers['retry-after']]).toEqual([503, '1'])
    client.socket.destroy()
    await closing
    decision.resolve(undefined)
    expect(server.connections.size).toBe(0)
  })

  test('refuses handshakes on lines that are open already with 503', async () => {
    const server = await start(stay)
    const open = await RawClient.open(at(server))
    const late = await rawTo(server)
    // A request in progress keeps the line from being dropped as idle.
    late.write(handshake().slice(0, 20))
    await RawClient.open(at(server))
    const closing = server.close({ timeout: 5000 })
    await open.readClose()
    expect(server.listening).toBe(false)
    late.write(handshake().slice(20))
    expect((await late.readResponse()).status).toBe(503)
    await late.ended
    open.write(maskedClose(1001))
    for (const connection of server.connections) connection.terminate()
    await closing
  })

  test('sends what handlers sent before it', async () => {
    const server = await start(async (connection) => {
      for (let index = 0; index < 100; index++) void connection.send(`message ${index}`)
      await connection.closed
    })
    const client = await RawClient.open(at(server))
    const closing = server.close()
    for (let index = 0; index < 100; index++) expect(await client.readText()).toBe(`message ${index}`)
    expect((await client.readClose()).code).toBe(1001)
    client.write(maskedClose(1001))
    await closing
  })

  test.each<[string, CloseOptions]>([
    ['code', { code: 1005 }],
    ['code', { code: 999 }],
    ['code', { code: 1000.5 }],
    ['reason', { reason: 'é'.repeat(62) }],
    ['timeout', { timeout: -1 }],
    ['timeout', { timeout: Number.NaN }],
  ])('refuses a wrong %s at once, and the server goes on', async (name, options) => {
    const server = await start(echo)
    expect(() => server.close(options)).toThrow(name)
    expect(server.listening).toBe(true)
    const client = await RawClient.open(at(server))
    client.write(masked(0x81, 'Hello'))
    expect(await client.readText()).toBe('Hello')
  })

  test('happens at the end of `await using`', async () => {
    let port: number
    {
      await using server = await serve(stay, { host: '127.0.0.1' })
      port = server.port
      await connect(server.url)
    }
    await expect(connect(`ws://127.0.0.1:${port}`)).rejects.toThrow('nothing listens there')
  })
})

describe('server tells', () => {
  test('its connections while they are open', async () => {
    const server = await start(stay)
    expect(server.connections.size).toBe(0)
    const one = await RawClient.open(at(server))
    await RawClient.open(at(server))
    expect(server.connections.size).toBe(2)
    const [first] = server.connections
    one.write(maskedClose(1000))
    await first!.closed
    expect(server.connections.size).toBe(1)
  })

  test('addresses of both ends', async () => {
    const server = await start(stay)
    const client = await RawClient.open(at(server))
    const [connection] = server.connections
    expect(connection!.localAddress).toEqual({ host: '127.0.0.1', port: server.port })
    expect(connection!.remoteAddress).toEqual({ host: '127.0.0.1', port: client.socket.localPort })
    expect([connection!.role, connection!.state]).toEqual(['server', 'open'])
  })

  test('when it has stopped', async () => {
    const server = await start(stay)
    let hasStopped = false
    const stopped = server.closed.then(() => {
      hasStopped = true
    })
    expect([server.listening, hasStopped]).toEqual([true, false])
    await server.close()
    await stopped
    expect([server.listening, hasStopped]).toEqual([false, true])
  })
})
