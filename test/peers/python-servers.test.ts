// Python's websockets, newest and Debian's, as server of our client.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { type Connection, connect } from '../../src/index.ts'
import { CLIENT_TLS, TEST_CERTIFICATE, TEST_KEY } from '../support/tls-fixture.ts'
import { CLIENT_CLOSES, expectSame, MESSAGES, SERVER_CLOSES } from './support/messages.ts'
import { describeWithPeers, PYTHON_NAMES, type Python, pythonPeer } from './support/peers.ts'
import { type PythonServer, usePython } from './support/python.ts'

// Children share the machine with whatever else runs.
vi.setConfig({ testTimeout: 60_000 })

for (const name of PYTHON_NAMES) {
  const peer = pythonPeer('websockets', name)
  await describeWithPeers(`${peer} as server`, [peer], () => testServer(name))
}

function testServer(name: Python): void {
  const python = usePython(name, 'websockets_peer.py')

  async function serve(
    options: Readonly<Record<string, unknown>> = {},
  ): Promise<{ server: PythonServer; url: string }> {
    const server = await python().serve(options)
    onTestFinished(() => server.stop())
    return { server, url: `ws://127.0.0.1:${server.port}/` }
  }

  /** Send a text and expect it back: the line works. */
  async function expectEcho(connection: Connection): Promise<void> {
    await connection.send('回声 echo')
    expect(await connection.receive()).toBe('回声 echo')
    expect(await connection.close()).toMatchObject({ code: 1000, clean: true })
  }

  test('gives every message back as it was', async () => {
    const { url } = await serve()
    const connection = await connect(url)
    for (const [what, message] of MESSAGES) {
      await connection.send(message)
      expectSame(await connection.receive(), message, what)
    }
    await connection.close()
  })

  test('sends messages in fragments', async () => {
    const { url } = await serve()
    const connection = await connect(url)
    await connection.send('fragments')
    expect(await connection.receive()).toBe('文字😀text')
    expectSame(await connection.receive(), Uint8Array.of(0, 1, 255))
    await connection.close()
  })

  test('pings and is pinged', async () => {
    const { url } = await serve()
    const connection = await connect(url)
    expect(await connection.ping()).toBeGreaterThanOrEqual(0)
    expect(await connection.ping('with a payload')).toBeGreaterThanOrEqual(0)
    await connection.send('ping')
    expect(await connection.receive()).toBe('there')
    await connection.close()
  })

  test.each(CLIENT_CLOSES)('hears that we close with %s', async (_, code, reason) => {
    const { server, url } = await serve()
    const connection = await connect(url)
    const info = await connection.close(code, reason)
    expect(info).toMatchObject({ code, sent: { code, reason }, initiator: 'local', clean: true })
    expect(await server.nextClose()).toEqual({ code, reason })
  })

  test.each(SERVER_CLOSES)('closes with %s', async (_, code, reason) => {
    const { url } = await serve()
    const connection = await connect(url)
    await connection.send(`close ${code} ${reason}`)
    expect(await connection.closed).toMatchObject({
      code,
      reason,
      received: { code, reason },
      initiator: 'remote',
      clean: true,
    })
  })

  test('says 1001 when it stops', async () => {
    const server = await python().serve()
    const connection = await connect(`ws://127.0.0.1:${server.port}/`)
    const [info] = await Promise.all([connection.closed, server.stop()])
    expect(info).toMatchObject({ code: 1001, clean: true })
  })

  test('agrees on a subprotocol', async () => {
    const { url } = await serve({ subprotocols: ['chat.v1', 'chat.v2'] })
    const connection = await connect(url, { subprotocols: ['chat.v2', 'mail'] })
    expect(connection.subprotocol).toBe('chat.v2')
    await expectEcho(connection)
  })

  test('takes the credentials of the address, and refuses wrong ones with 401', async () => {
    const { server } = await serve({ credentials: ['hlq', 'open sesame: now'] })
    const address = (password: string): string =>
      `ws://hlq:${encodeURIComponent(password)}@127.0.0.1:${server.port}/`
    await expectEcho(await connect(address('open sesame: now')))
    await expect(connect(address('wrong'))).rejects.toMatchObject({ code: 'WS_REJECTED', status: 401 })
    await expect(connect(`ws://127.0.0.1:${server.port}/`)).rejects.toMatchObject({
      status: 401,
      headers: { 'www-authenticate': expect.stringContaining('Basic') },
    })
  })

  test('refuses another origin with 403', async () => {
    const { url } = await serve({ origins: ['https://friend.example'] })
    await expect(connect(url, { origin: 'https://other.example' })).rejects.toMatchObject({
      code: 'WS_REJECTED',
      status: 403,
    })
    await expectEcho(await connect(url, { origin: 'https://friend.example' }))
  })

  test('is reached over TLS, and not when its certificate is unknown', async () => {
    const { server } = await serve({ certificate: TEST_KEY + TEST_CERTIFICATE })
    const url = `wss://127.0.0.1:${server.port}/`
    await expectEcho(await connect(url, { tls: CLIENT_TLS }))
    await expect(connect(url)).rejects.toMatchObject({ code: 'WS_CONNECT_FAILED' })
  })

  test('is reached over a Unix socket', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'openline-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const path = join(folder, 'server.sock')
    await serve({ unix: path })
    await expectEcho(await connect(`ws+unix:${path}`))
  })
}
