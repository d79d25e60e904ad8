import { createServer, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { HandshakeError } from '../../src/errors.ts'
import { refuse, refuseWithResponse } from '../../src/server/rejection.ts'
import { RawClient } from '../support/raw-client.ts'

/** Hold both ends of a TCP connection. */
async function socketPair(): Promise<{ socket: Socket; client: RawClient }> {
  // As http servers do: a peer that ended its half may still be answered.
  const server = createServer({ allowHalfOpen: true })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
  const address = server.address() as { port: number }
  const client = await RawClient.connect({ port: address.port, host: '127.0.0.1' })
  const socket = await accepted
  socket.on('error', () => {})
  onTestFinished(() => {
    socket.destroy()
    server.close()
  })
  return { socket, client }
}

const BAD_KEY = new HandshakeError({ code: 'WS_BAD_KEY', detail: '"x"', status: 400 })

describe('refuse', () => {
  test("answers with the error's status and words, and ends", async () => {
    const { socket, client } = await socketPair()
    refuse(socket, BAD_KEY)
    expect(await client.readResponse()).toEqual({
      status: 400,
      statusText: 'Bad Request',
      headers: {
        connection: 'close',
        'content-length': String(BAD_KEY.message.length + 1),
        'content-type': 'text/plain; charset=utf-8',
      },
      body: `${BAD_KEY.message}\n`,
    })
    await client.ended
  })

  test('tells nothing of what our own code threw', async () => {
    const { socket, client } = await socketPair()
    refuse(
      socket,
      new HandshakeError({ code: 'WS_HANDLER_FAILED', detail: 'the password is 42', status: 500 }),
    )
    expect((await client.readResponse()).body).toBe('the server failed\n')
  })

  test('says with 503 when to come back', async () => {
    const { socket, client } = await socketPair()
    refuse(socket, new HandshakeError({ code: 'WS_SERVER_CLOSING', detail: '', status: 503 }))
    expect((await client.readHead()).headers['retry-after']).toBe('1')
  })

  test('reads on, so that a client which still sends gets its answer instead of a reset', async () => {
    const { socket, client } = await socketPair()
    client.write(new Uint8Array(1024 * 1024))
    refuse(socket, BAD_KEY)
    expect((await client.readResponse()).status).toBe(400)
  })

  test('drops a client that stays', async () => {
    const { socket, client } = await socketPair()
    // This client does not end its half when the server does.
    client.socket.allowHalfOpen = true
    refuse(socket, BAD_KEY)
    await client.readResponse()
    await new Promise((resolve) => socket.once('close', resolve))
  })

  test('does nothing to a socket that is gone or was answered', async () => {
    const { socket, client } = await socketPair()
    refuse(socket, BAD_KEY)
    refuse(socket, new HandshakeError({ code: 'WS_BAD_METHOD', detail: '', status: 405 }))
    const text = (await client.readToEnd()).toString()
    expect(text.split('HTTP/1.1')).toHaveLength(2)
    const other = await socketPair()
    other.socket.destroy()
    refuse(other.socket, BAD_KEY)
    expect(await other.client.readToEnd()).toHaveLength(0)
  })
})

test('refuse drops the socket where the error has no status to answer with', async () => {
  const { socket, client } = await socketPair()
  refuse(socket, new HandshakeError({ code: 'WS_CONNECT_FAILED', detail: 'refused', status: 0 }))
  expect(socket.destroyed).toBe(true)
  expect(await client.readToEnd()).toHaveLength(0)
})

describe('refuseWithResponse', () => {
  test('sends status, headers and body, with a length of its own', async () => {
    const { socket, client } = await socketPair()
    const response = new Response('哟', { status: 403, headers: { 'Content-Length': '999', 'X-A': 'b' } })
    await refuseWithResponse(socket, response)
    expect(await client.readResponse()).toEqual({
      status: 403,
      statusText: 'Forbidden',
      headers: {
        connection: 'close',
        'content-length': '3',
        'content-type': 'text/plain;charset=UTF-8',
        'x-a': 'b',
      },
      body: '哟',
    })
    await client.ended
  })

  test('redirects', async () => {
    const { socket, client } = await socketPair()
    await refuseWithResponse(socket, Response.redirect('https://example.com/', 307))
    expect(await client.readResponse()).toMatchObject({
      status: 307,
      headers: { location: 'https://example.com/', 'content-length': '0' },
    })
  })

  test('sends nothing of a response that a handshake cannot have', async () => {
    const { socket, client } = await socketPair()
    await expect(refuseWithResponse(socket, new Response('', { status: 200 }))).rejects.toThrow(RangeError)
    socket.end()
    expect(await client.readToEnd()).toHaveLength(0)
  })
})
