import { afterEach, expect, test, vi } from 'vitest'
import { pageEnvironment } from '../../src/browser/environment.ts'
import { systemClock } from '../../src/timing/clock.ts'

afterEach(() => vi.unstubAllGlobals())

test('a page has a WebSocket, an address and knows whether it is online', () => {
  const WebSocket = class {}
  vi.stubGlobal('WebSocket', WebSocket)
  vi.stubGlobal('document', { baseURI: 'https://example.com/base/' })
  vi.stubGlobal('location', { href: 'https://example.com/page' })
  vi.stubGlobal('navigator', { onLine: false })
  expect(pageEnvironment()).toEqual({
    WebSocket,
    clock: systemClock,
    base: 'https://example.com/base/',
    isOnline: false,
  })
})

test('a worker has no document', () => {
  vi.stubGlobal('location', { href: 'https://example.com/worker.js' })
  vi.stubGlobal('navigator', { onLine: true })
  expect(pageEnvironment()).toMatchObject({ base: 'https://example.com/worker.js', isOnline: true })
})

test('elsewhere there may be nothing of all that', () => {
  vi.stubGlobal('WebSocket', undefined)
  vi.stubGlobal('navigator', undefined)
  expect(pageEnvironment()).toMatchObject({ WebSocket: undefined, base: undefined, isOnline: true })
})
