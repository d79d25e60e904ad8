import { expect, test } from 'vitest'
import { browserSurroundings } from '../../src/browser/surroundings.ts'
import { PageWakeUps } from '../../src/browser/wake-ups.ts'
import { systemClock } from '../../src/timing/clock.ts'
import { openInBrowser } from './support.ts'

test('a client that stays has the clock, and what the page notices', () => {
  expect(browserSurroundings.clock).toBe(systemClock)
  expect(browserSurroundings.wakeUps).toBeInstanceOf(PageWakeUps)
})

test('a connection that the browser holds to be open is not thrown away when the page wakes up', async () => {
  const { connection, socket } = await openInBrowser()
  await browserSurroundings.probe(connection, AbortSignal.timeout(1000))
  expect(connection.state).toBe('open')
  expect(socket.sent).toEqual([])
})
