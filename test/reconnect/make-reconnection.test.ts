import { expect, test } from 'vitest'
import { makeReconnection } from '../../src/reconnect/make-reconnection.ts'
import { MemoryNetwork } from './support.ts'

test('gives attempts what is meant for them, and keeps what is meant for the engine', async () => {
  const network = new MemoryNetwork()
  const aborter = new AbortController()
  const connections = makeReconnection(
    network.connect,
    network.surroundings,
    async ({ number }) => `ws://attempt-${number}/`,
    {
      backoff: 1,
      shouldRetry: () => false,
      maxFailures: 2,
      stableAfter: 3,
      signal: aborter.signal,
      pingInterval: 4000,
      data: 'mine',
      openTimeout: 5000,
    },
  )
  await connections.next()
  expect(network.dialled).toEqual([
    {
      url: 'ws://attempt-1/',
      options: { pingInterval: 4000, data: 'mine', openTimeout: 5000, signal: expect.any(AbortSignal) },
    },
  ])
  expect(network.dialled[0]!.options.signal).not.toBe(aborter.signal)
  await connections.return()
})

test.each([
  ['backoff', {}],
  ['maxFailures', 0],
  ['signal', 'now'],
])('refuses a wrong %s at once', (name, value) => {
  const network = new MemoryNetwork()
  expect(() =>
    makeReconnection(network.connect, network.surroundings, 'ws://x/', { [name]: value } as never),
  ).toThrow(name)
})
