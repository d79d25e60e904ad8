import { expect, test, vi } from 'vitest'
import { WebSocketApp } from '../../src/browser/websocket-app.ts'
import { WebSocketApp as NodeApp } from '../../src/index.ts'
import { stubWebSocket } from './support.ts'

test('is told what happens, and sends what waited', async () => {
  const sockets = stubWebSocket()
  const log: unknown[] = []
  const app = new WebSocketApp('ws://localhost/', {
    onOpen: () => void log.push('open'),
    onMessage: (_, message) => void log.push(message),
    onError: (_, error, { phase }) => void log.push(phase, (error as Error).name),
    onClose: (_, info) => void log.push(info?.code),
  })
  const running = app.runForever({ reconnect: 1 })
  await vi.waitUntil(() => sockets.length === 1)
  const sending = app.send('kept')
  sockets[0]!.fail()
  await vi.waitUntil(() => sockets.length === 2)
  sockets[1]!.accept()
  await sending
  expect(sockets[1]!.sent).toEqual(['kept'])
  expect(app.isReady).toBe(true)
  sockets[1]!.deliver('hello')
  await vi.waitUntil(() => log.includes('hello'))
  const closing = app.close()
  await vi.waitUntil(() => sockets[1]!.closes.length === 1)
  sockets[1]!.answerClose()
  await closing
  expect(await running).toEqual({ errored: false })
  expect(log).toEqual(['connect', 'HandshakeError', 'open', 'hello', 1000])
})

test('has the methods of that on Node', () => {
  expect(Object.getPrototypeOf(WebSocketApp)).toBe(Object.getPrototypeOf(NodeApp))
})

test('is told that it cannot do something, once', async () => {
  stubWebSocket()
  const onError = vi.fn()
  const app = new WebSocketApp('ws://localhost/', { headers: { 'X-Token': 'abc' }, onError })
  expect(await app.runForever({ reconnect: true })).toEqual({ errored: true })
  expect(onError).toHaveBeenCalledExactlyOnceWith(
    app,
    expect.objectContaining({ code: 'WS_NOT_IN_BROWSER' }),
    { phase: 'connect', retryIn: undefined },
  )
})
