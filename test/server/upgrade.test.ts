import { createServer, type Server as HttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connect, type UpgradeOptions, upgrade } from '../../src/index.ts'
import { handshake, maskedClose, RawClient } from '../support/raw-client.ts'
import { CLIENT_TLS, SERVER_TLS } from '../support/tls-fixture.ts'
import { defer, echo, stay } from './support.ts'

async function listen(http: HttpServer): Promise<AddressInfo> {
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    http.closeAllConnections()
    http.close()
  })
  return http.address() as AddressInfo
}

describe('upgrade', () => {
  test('opens connections on an http server, which goes on with its own work', async () => {
    const http = createServer((_request, response) => response.end('hello'))
    const listener = upgrade(echo)
    http.on('upgrade', listener)
    const { port } = await listen(http)
    const connection = await connect(`ws://127.0.0.1:${port}/`)
    await connection.send('Hello')
    expect(await connection.receive()).toBe('Hello')
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('hello')
    expect(listener.connections.size).toBe(1)
    const [atServer] = listener.connections
    await connection.close()
    await atServer!.closed
    expect(listener.connections.size).toBe(0)
  })

  test('opens connections on an https server', async () => {
    const https = createHttpsServer(SERVER_TLS)
    const listener = upgrade({ message: (connection, message) => connection.send(message) })
    https.on('upgrade', listener)
    const { port } = await listen(https)
    const connection = await connect(`wss://127.0.0.1:${port}/`, { tls: CLIENT_TLS })
    await connection.send('Hello')
    expect(await connection.receive()).toBe('Hello')
    await listener.close()
    expect((await connection.closed).code).toBe(1001)
  })

  test('serves several paths with listeners of their own', async () => {
    const http = createServer()
    const listeners = {
      '/echo': upgrade(echo),
      '/shout': upgrade({
        message: (connection, message) => connection.send(String(message).toUpperCase()),
      }),
    }
    http.on('upgrade', (request, socket, head) => {
      const listener = listeners[request.url as keyof typeof listeners]
      if (listener === undefined) socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n')
      else listener(request, socket, head)
    })
    const { port } = await listen(http)
    const answers: unknown[] = []
    for (const path of ['/echo', '/shout']) {
      const connection = await connect(`ws://127.0.0.1:${port}${path}`)
      await connection.send('hello')
      answers.push(await connection.receive())
    }
    expect(answers).toEqual(['hello', 'HELLO'])
    await expect(connect(`ws://127.0.0.1:${port}/other`)).rejects.toMatchObject({ status: 404 })
    expect(listeners['/echo'].connections.size).toBe(1)
    await listeners['/echo'].close()
    expect([listeners['/echo'].connections.size, listeners['/shout'].connections.size]).toEqual([0, 1])
    await listeners['/shout'].close()
  })

  test('refuses what is no handshake, by the rules and limits of serve', async () => {
    const http = createServer()
    http.on('upgrade', upgrade(echo, { hosts: ['localhost'] }))
    const { port } = await listen(http)
    const cases: [number, Parameters<typeof handshake>[0]][] = [
      [400, { 'Sec-WebSocket-Key': 'short' }],
      [403, { Host: 'evil.example' }],
      [403, { Origin: 'https://evil.example' }],
      [431, Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`X-${index}`, 'y']))],
    ]
    for (const [status, changes] of cases) {
      const client = await RawClient.connect({ port, host: '127.0.0.1' })
      client.write(handshake(changes))
      expect((await client.readHead()).status).toBe(status)
      await client.ended
    }
    await RawClient.open({ port, host: '127.0.0.1' })
  })

  test('close() refuses with 503 from then on, closes what is open, and is idempotent', async () => {
    const http = createServer()
    const closed = defer()
    const listener = upgrade(async (connection) => {
      await stay(connection)
      closed.resolve()
    })
    http.on('upgrade', listener)
    const { port } = await listen(http)
    const target = { port, host: '127.0.0.1' }
    const client = await RawClient.open(target)
    const closing = listener.close({ code: 1012, reason: 'soon back' })
    expect(await client.readClose()).toEqual({ code: 1012, reason: 'soon back' })
    const late = await RawClient.connect(target)
    late.write(handshake())
    expect((await late.readHead()).status).toBe(503)
    client.write(maskedClose(1012))
    await Promise.all([closing, closed.promise, listener.close()])
    expect(listener.connections.size).toBe(0)
    // The server itself goes on.
    expect(http.listening).toBe(true)
  })

  test('close() drops a peer that does not answer by the deadline', async () => {
    const http = createServer()
    const listener = upgrade(stay)
    http.on('upgrade', listener)
    const { port } = await listen(http)
    const client = await RawClient.open({ port, host: '127.0.0.1' })
    await listener.close({ timeout: 50 })
    await client.ended
  })

  test('refuses wrong options at once', () => {
    expect(() => upgrade(undefined as never)).toThrow(TypeError)
    expect(() => upgrade(echo, { openTimeout: 0 })).toThrow('openTimeout')
    expect(() => upgrade(echo, { origins: '*' } as unknown as UpgradeOptions)).toThrow('origins')
    expect(() => upgrade(echo).close({ code: 1 })).toThrow('code')
  })
})
