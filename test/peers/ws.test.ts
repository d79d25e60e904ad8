// The npm package ws, as client of our server and as server of our client.

import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type ServerOptions, WebSocket, WebSocketServer } from 'ws'
import { type Connection, connect } from '../../src/index.ts'
import { concat, pattern } from '../support/bytes.ts'
import { CLIENT_TLS, SERVER_TLS } from '../support/tls-fixture.ts'
import { CLIENT_CLOSES, expectSame, MESSAGES, SERVER_CLOSES } from './support/messages.ts'
import { echo, startServer, startServerForOne } from './support/server.ts'

describe('ws as client', () => {
  test('gets every message back as it was', async () => {
    const server = await startServer(echo)
    const client = await open(server.url)
    for (const [what, message] of MESSAGES) {
      client.send(message)
      expectSame(await nextMessage(client), message, what)
    }
  })

  test('sends messages in fragments, with a ping between them', async () => {
    const { server, opened } = await startServerForOne()
    const client = await open(server.url)
    const connection = await opened
    client.send('你', { fin: false })
    client.ping('between')
    client.send('好', { fin: false })
    client.send('', { fin: false })
    client.send('😀')
    expect(await connection.receive()).toBe('你好😀')
    client.send(pattern(10), { fin: false })
    client.send(pattern(70_000), { fin: true })
    expectSame(await connection.receive(), concat(pattern(10), pattern(70_000)))
  })

  test('pings and is pinged', async () => {
    const { server, opened } = await startServerForOne()
    const client = await open(server.url)
    const connection = await opened
    client.ping('are you there')
    expect(String((await once(client, 'pong'))[0])).toBe('are you there')
    const pinged = once(client, 'ping')
    expect(await connection.ping('and you')).toBeGreaterThanOrEqual(0)
    expect(String((await pinged)[0])).toBe('and you')
  })

  test.each(CLIENT_CLOSES)('closes with %s, and hears the same code', async (_, code, reason) => {
    const { server, opened } = await startServerForOne()
    const client = await open(server.url)
    const { closed } = await opened
    const heard = once(client, 'close')
    client.close(code, reason)
    expect((await heard)[0]).toBe(code)
    expect(await closed).toMatchObject({ received: { code, reason }, initiator: 'remote', clean: true })
  })

  test('closes without a code', async () => {
    const { server, opened } = await startServerForOne()
    const client = await open(server.url)
    const { closed } = await opened
    const heard = once(client, 'close')
    client.close()
    expect((await heard)[0]).toBe(1005)
    expect(await closed).toMatchObject({ code: 1005, initiator: 'remote', clean: true })
  })

  test.each(SERVER_CLOSES)('hears that the server closes with %s', async (_, code, reason) => {
    const { server, opened } = await startServerForOne()
    const client = await open(server.url)
    const connection = await opened
    const heard = once(client, 'close')
    expect(await connection.close(code, reason)).toMatchObject({ initiator: 'local', clean: true })
    const [heardCode, heardReason] = await heard
    expect([heardCode, String(heardReason)]).toEqual([code, reason])
  })

  test('drops the line, which is 1006 to the server', async () => {
    const { server, opened } = await startServerForOne()
    const client = await open(server.url)
    const { closed } = await opened
    client.terminate()
    expect(await closed).toMatchObject({ code: 1006, received: undefined, clean: false })
  })

  test('offers compression, which is declined', async () => {
    const { server, opened } = await startServerForOne({ compression: false })
    const client = await open(server.url, [], { perMessageDeflate: true })
    const { request } = await opened
    expect(request.headers['sec-websocket-extensions']).toContain('permessage-deflate')
    expect(client.extensions).toBe('')
    const text = 'the same '.repeat(1000)
    const received = (await opened).receive()
    client.send(text)
    expect(await received).toBe(text)
  })

  test('agrees on a subprotocol', async () => {
    const { server, opened } = await startServerForOne({ subprotocols: ['chat.v2', 'chat.v1'] })
    const client = await open(server.url, ['chat.v1', 'chat.v2'])
    expect(client.protocol).toBe('chat.v2')
    expect((await opened).subprotocol).toBe('chat.v2')
  })

  test('is refused with 403 from another origin', async () => {
    const server = await startServer(echo)
    const client = new WebSocket(server.url, { origin: 'https://other.example' })
    const [error] = await once(client, 'error')
    expect(error).toMatchObject({ message: expect.stringContaining('403') })
    const friend = await open(server.url, [], { origin: `http://127.0.0.1:${server.port}` })
    friend.send('from our own page')
    expect(await nextMessage(friend)).toBe('from our own page')
  })

  test('connects over TLS', async () => {
    const server = await startServer(echo, { tls: SERVER_TLS })
    const client = await open(server.url, [], CLIENT_TLS)
    for (const message of ['加密', pattern(1024 * 1024)]) {
      client.send(message)
      expectSame(await nextMessage(client), message)
    }
  })

  test('hears 1009 after a message that is too large', async () => {
    const { server, opened } = await startServerForOne()
    const client = await open(server.url)
    const { closed } = await opened
    const heard = once(client, 'close')
    client.send(pattern(1024 * 1024 + 1))
    expect((await heard)[0]).toBe(1009)
    expect(await closed).toMatchObject({ sent: { code: 1009 }, initiator: 'local' })
  })
})

describe('ws as server', () => {
  test('gives every message back as it was', async () => {
    const connection = await connect(await serveWithWs(echoWithWs))
    for (const [what, message] of MESSAGES) {
      await connection.send(message)
      expectSame(await connection.receive(), message, what)
    }
    await connection.close()
  })

  test('sends messages in fragments, with a ping between them', async () => {
    const url = await serveWithWs((socket) => {
      socket.send('文', { fin: false })
      socket.ping('between')
      socket.send('', { fin: false })
      socket.send('字😀')
      socket.send(pattern(10), { fin: false })
      socket.send(pattern(70_000), { fin: true })
    })
    const connection = await connect(url)
    expect(await connection.receive()).toBe('文字😀')
    expectSame(await connection.receive(), concat(pattern(10), pattern(70_000)))
    await connection.close()
  })

  test('pings and is pinged', async () => {
    const url = await serveWithWs((socket) => {
      socket.once('pong', (payload) => socket.send(`pong: ${payload}`))
      socket.ping('are you there')
    })
    const connection = await connect(url)
    expect(await connection.receive()).toBe('pong: are you there')
    expect(await connection.ping()).toBeGreaterThanOrEqual(0)
    await connection.close()
  })

  test.each(CLIENT_CLOSES)('hears that we close with %s', async (_, code, reason) => {
    let hear!: (close: readonly [number, string]) => void
    const heard = new Promise<readonly [number, string]>((resolve) => {
      hear = resolve
    })
    const url = await serveWithWs((socket) => {
      socket.once('close', (heardCode, heardReason) => hear([heardCode, String(heardReason)]))
    })
    const connection = await connect(url)
    const info = await connection.close(code, reason)
    expect(info).toMatchObject({ code, sent: { code, reason }, initiator: 'local', clean: true })
    expect(await heard).toEqual([code, reason])
  })

  test.each(SERVER_CLOSES)('closes with %s', async (_, code, reason) => {
    const connection = await connect(await serveWithWs((socket) => socket.close(code, reason)))
    expect(await connection.closed).toMatchObject({ code, reason, initiator: 'remote', clean: true })
  })

  test('closes without a code', async () => {
    const connection = await connect(await serveWithWs((socket) => socket.close()))
    expect(await connection.closed).toMatchObject({ code: 1005, initiator: 'remote', clean: true })
  })

  test('drops the line, which is 1006 to us', async () => {
    const connection = await connect(await serveWithWs((socket) => socket.terminate()))
    expect(await connection.closed).toMatchObject({ code: 1006, clean: false })
  })

  test('would compress, but we do not offer it when it is off', async () => {
    const url = await serveWithWs(
      (socket, request) => socket.send(`extensions: ${request.headers['sec-websocket-extensions']}`),
      { perMessageDeflate: true },
    )
    const connection = await connect(url, { compression: false })
    expect(await connection.receive()).toBe('extensions: undefined')
    await connection.close()
  })

  test('agrees on a subprotocol', async () => {
    const url = await serveWithWs(echoWithWs, { handleProtocols: (offered) => [...offered].at(-1) ?? false })
    const connection = await connect(url, { subprotocols: ['chat.v2', 'chat.v1'] })
    expect(connection.subprotocol).toBe('chat.v1')
    await connection.close()
  })

  test('is given the credentials, the headers and the path of the address', async () => {
    const url = await serveWithWs((socket, { headers, url: target }) =>
      socket.send(JSON.stringify([headers.authorization, headers['x-room'], target])),
    )
    const address = new URL('/聊天?room=1', url)
    address.username = '阿里'
    address.password = '芝麻: 开门'
    const connection = await connect(address, { headers: { 'X-Room': '1' } })
    expect(JSON.parse(String(await connection.receive()))).toEqual([
      `Basic ${Buffer.from('阿里:芝麻: 开门').toString('base64')}`,
      '1',
      `${encodeURI('/聊天')}?room=1`,
    ])
    await connection.close()
  })

  test('refuses us', async () => {
    const url = await serveWithWs(echoWithWs, {
      verifyClient: (_info, callback) => callback(false, 401, 'who are you?'),
    })
    await expect(connect(url)).rejects.toMatchObject({
      code: 'WS_REJECTED',
      status: 401,
      body: 'who are you?',
    })
  })

  test('is reached over TLS', async () => {
    const https = createHttpsServer(SERVER_TLS)
    new WebSocketServer({ server: https }).on('connection', echoWithWs)
    https.listen(0, '127.0.0.1')
    await once(https, 'listening')
    onTestFinished(() => void https.close())
    const url = `wss://127.0.0.1:${(https.address() as AddressInfo).port}/`
    const connection: Connection = await connect(url, { tls: CLIENT_TLS })
    for (const message of ['加密', pattern(1024 * 1024)]) {
      await connection.send(message)
      expectSame(await connection.receive(), message)
    }
    await connection.close()
  })
})

/** Open a client of ws, and wait until it is open. It is dropped when the test is over. */
async function open(
  url: string,
  subprotocols: string[] = [],
  options: ConstructorParameters<typeof WebSocket>[2] = {},
): Promise<WebSocket> {
  const client = new WebSocket(url, subprotocols, options)
  onTestFinished(() => client.terminate())
  await once(client, 'open')
  return client
}

async function nextMessage(client: WebSocket): Promise<string | Uint8Array> {
  const [data, isBinary] = await once(client, 'message')
  return isBinary ? data : String(data)
}

/** Serve with ws until the test is over, and give the address. */
async function serveWithWs(
  handle: (socket: WebSocket, request: IncomingMessage) => void,
  options: ServerOptions = {},
): Promise<string> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, ...options })
  server.on('connection', handle)
  await once(server, 'listening')
  onTestFinished(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

function echoWithWs(socket: WebSocket): void {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
}
