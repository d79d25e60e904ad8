// Python's websockets and websocket-client, newest and Debian's, as clients of our server.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { concat, pattern } from '../support/bytes.ts'
import { SERVER_TLS, TEST_CERTIFICATE } from '../support/tls-fixture.ts'
import { CLIENT_CLOSES, expectSame, MESSAGES, SERVER_CLOSES } from './support/messages.ts'
import { describeWithPeers, PYTHON_NAMES, type Python, pythonPeer } from './support/peers.ts'
import type { PythonPeer } from './support/python.ts'
import { PythonError, usePython } from './support/python.ts'
import { echo, startServer, startServerForOne } from './support/server.ts'

// Children share the machine with whatever else runs.
vi.setConfig({ testTimeout: 60_000 })

const LIBRARIES = {
  websockets: 'websockets_peer.py',
  'websocket-client': 'websocket_client_peer.py',
} as const

for (const library of ['websockets', 'websocket-client'] as const) {
  for (const name of PYTHON_NAMES) {
    const peer = pythonPeer(library, name)
    await describeWithPeers(`${peer} as client`, [peer], () => testClient(library, name))
  }
}

function testClient(library: keyof typeof LIBRARIES, name: Python): void {
  const python = usePython(name, LIBRARIES[library])
  const isWebsockets = library === 'websockets'

  test('gets every message back as it was', async () => {
    const server = await startServer(echo)
    const client = await python().connect(server.url)
    for (const [what, message] of MESSAGES) {
      await client.send(message)
      expectSame(await client.receive(), message, what)
    }
    await client.close()
  })

  test('sends messages in fragments', async () => {
    const { server, opened } = await startServerForOne()
    const client = await python().connect(server.url)
    const connection = await opened
    await client.sendFragments(['你', '好', '', '😀 the end'])
    expect(await connection.receive()).toBe('你好😀 the end')
    await client.sendFragments([pattern(10), new Uint8Array(0), pattern(70_000)])
    expectSame(await connection.receive(), concat(pattern(10), pattern(70_000)))
    await client.close()
  })

  test('pings and is pinged', async () => {
    const { server, opened } = await startServerForOne()
    const client = await python().connect(server.url)
    const connection = await opened
    await client.ping('are you there')
    const received = client.receive()
    expect(await connection.ping('and you')).toBeGreaterThanOrEqual(0)
    await connection.send('the end of waiting')
    expect(await received).toBe('the end of waiting')
    await client.close()
  })

  test.each(CLIENT_CLOSES)('closes with %s, and hears the same code', async (_, code, reason) => {
    const { server, opened } = await startServerForOne()
    const client = await python().connect(server.url)
    const { closed } = await opened
    expect(await client.close(code, reason)).toMatchObject({ code })
    expect(await closed).toMatchObject({
      code,
      reason,
      received: { code, reason },
      initiator: 'remote',
      clean: true,
    })
  })

  test.each(SERVER_CLOSES)('hears that the server closes with %s', async (_, code, reason) => {
    const { server, opened } = await startServerForOne()
    const client = await python().connect(server.url)
    const connection = await opened
    const [heard, info] = await Promise.all([client.closed(), connection.close(code, reason)])
    expect(heard).toEqual({ code, reason })
    expect(info).toMatchObject({ sent: { code, reason }, initiator: 'local', clean: true })
  })

  test('hears 1001 when the server stops', async () => {
    const { server, opened } = await startServerForOne()
    const client = await python().connect(server.url)
    await opened
    const [heard] = await Promise.all([client.closed(), server.close()])
    expect(heard).toEqual({ code: 1001, reason: '' })
  })

  test('agrees on a subprotocol', async () => {
    const { server, opened } = await startServerForOne({ subprotocols: ['chat.v2', 'chat.v1'] })
    const client = await python().connect(server.url, { subprotocols: ['chat.v1', 'chat.v2'] })
    expect(client.subprotocol).toBe('chat.v2')
    expect((await opened).subprotocol).toBe('chat.v2')
    await client.close()
  })

  test('gives Basic credentials, and is refused with 401 for wrong ones', async () => {
    const server = await startServer(echo, {
      onHandshake: ({ headers }) =>
        headers.authorization === `Basic ${Buffer.from('hlq:sesame').toString('base64')}`
          ? undefined
          : new Response('who are you?\n', { status: 401, headers: { 'WWW-Authenticate': 'Basic' } }),
    })
    const log = (user: string, password: string) =>
      connectWithCredentials(python(), server.port, user, password)
    const client = await log('hlq', 'sesame')
    await client.send('inside')
    expect(await client.receive()).toBe('inside')
    await client.close()
    expect(await failure(log('hlq', 'wrong'))).toMatchObject({ status: 401 })
  })

  test('is refused with 403 from another origin, and welcome from one that is allowed', async () => {
    const server = await startServer(echo, { origins: ['https://friend.example'] })
    const refused = python().connect(server.url, { origin: 'https://other.example' })
    expect(await failure(refused)).toMatchObject({ status: 403 })
    const client = await python().connect(server.url, { origin: 'https://friend.example' })
    await client.send('from a friend')
    expect(await client.receive()).toBe('from a friend')
    await client.close()
  })

  test('connects over TLS and checks the certificate', async () => {
    const server = await startServer(echo, { tls: SERVER_TLS })
    // The older websocket-client says "http:" for its own origin over TLS as well, which would be another origin.
    const origin = `https://127.0.0.1:${server.port}`
    const client = await python().connect(server.url, { ca: TEST_CERTIFICATE, origin })
    for (const message of ['encrypted 加密', pattern(200_000)]) {
      await client.send(message)
      expectSame(await client.receive(), message)
    }
    expect(await client.close(4001, 'bye')).toMatchObject({ code: 4001 })
  })

  if (isWebsockets) testWebsockets(python)

  // websocket-client does not take credentials from the address.
  function connectWithCredentials(peer: PythonPeer, port: number, user: string, password: string) {
    if (isWebsockets) {
      const credentials = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`
      return peer.connect(`ws://${credentials}@127.0.0.1:${port}/`)
    }
    const credentials = Buffer.from(`${user}:${password}`).toString('base64')
    return peer.connect(`ws://127.0.0.1:${port}/`, { headers: [`Authorization: Basic ${credentials}`] })
  }
}

/** Test what websocket-client cannot do, or does not: it refuses to go without a subprotocol once it offered some. */
function testWebsockets(python: () => PythonPeer): void {
  test('goes without a subprotocol when none fits', async () => {
    const { server, opened } = await startServerForOne({ subprotocols: ['chat'] })
    const client = await python().connect(server.url, { subprotocols: ['mail'] })
    expect(client.subprotocol).toBeUndefined()
    expect((await opened).subprotocol).toBeUndefined()
    await client.close()
  })

  test('connects over a Unix socket', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'openline-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const path = join(folder, 'server.sock')
    await startServer(echo, { path })
    const client = await python().connect('ws://localhost/', { unix: path })
    await client.send('近')
    expect(await client.receive()).toBe('近')
    await client.close()
  })

  test('offers compression, which is declined', async () => {
    const { server, opened } = await startServerForOne({ compression: false })
    const client = await python().connect(server.url)
    const { request } = await opened
    expect(request.headers['sec-websocket-extensions']).toContain('permessage-deflate')
    expect(client.extensions).toBeUndefined()
    await client.close()
  })

  test('hears 1009 after a message that is too large', async () => {
    const { server, opened } = await startServerForOne()
    const client = await python().connect(server.url)
    const { closed } = await opened
    // The connection may end while the message is still being sent.
    await client.send(pattern(1024 * 1024 + 1)).catch(() => {})
    expect(await client.closed()).toMatchObject({ code: 1009 })
    expect(await closed).toMatchObject({ sent: { code: 1009 }, initiator: 'local' })
  })
}

async function failure(promise: Promise<unknown>): Promise<PythonError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof PythonError) return error
  throw new Error('the call should have failed in Python', { cause: error })
}
