import { expect, test, vi } from 'vitest'
import { reconnect } from '../../src/browser/reconnect.ts'
import { stubWebSocket } from './support.ts'

test('gives one connection after the other, with what may be another for each attempt', async () => {
  const sockets = stubWebSocket()
  const got: unknown[] = []
  const connections = reconnect(async ({ number }) => `ws://localhost/${number}`, {
    backoff: 1,
    subprotocols: ({ number }) => [`token.${number}`],
  })
  const running = (async () => {
    for await (const connection of connections) {
      for await (const message of connection) got.push(message)
      if (got.length === 2) break
    }
  })()
  await vi.waitUntil(() => sockets.length === 1)
  expect(sockets[0]!.url).toBe('ws://localhost/1')
  sockets[0]!.accept('token.1')
  await vi.waitUntil(() => sockets[0]!.onmessage !== null)
  sockets[0]!.deliver('one')
  sockets[0]!.endWith(1001)

  // Nobody says why, so that it is tried again.
  await vi.waitUntil(() => sockets.length === 2)
  expect(sockets[1]!.offered).toEqual(['token.2'])
  sockets[1]!.fail()
  await vi.waitUntil(() => sockets.length === 3)
  expect(sockets[2]!.url).toBe('ws://localhost/3')
  sockets[2]!.accept('token.3')
  await vi.waitUntil(() => sockets[2]!.onmessage !== null)
  sockets[2]!.deliver('two')
  sockets[2]!.endWith(1001)
  await running
  expect(got).toEqual(['one', 'two'])
})

test('gives up on what would only happen again', async () => {
  stubWebSocket()
  await expect(reconnect('ws://localhost/', { headers: { 'X-Token': 'abc' } }).next()).rejects.toMatchObject({
    code: 'WS_NOT_IN_BROWSER',
  })
  await expect(reconnect('nowhere').next()).rejects.toThrow(TypeError)
})

test('tries again at once when the browser is online again', async () => {
  const listeners = new Map<string, () => void>()
  vi.stubGlobal('addEventListener', (type: string, listener: () => void) => listeners.set(type, listener))
  vi.stubGlobal('removeEventListener', (type: string) => listeners.delete(type))
  const sockets = stubWebSocket()
  const connections = reconnect('ws://localhost/', { backoff: 1_000_000 })
  const next = connections.next()
  await vi.waitUntil(() => sockets.length === 1)
  sockets[0]!.fail()
  await vi.waitUntil(() => listeners.has('online'))
  listeners.get('online')!()
  await vi.waitUntil(() => sockets.length === 2)
  sockets[1]!.accept()
  const { value: connection } = await next
  expect(connection!.state).toBe('open')
  connection!.terminate()
  await connections.return()
  await vi.waitUntil(() => listeners.size === 0)
})
