import { expect, test } from 'vitest'
import { broadcast, prepare } from '../../src/browser/broadcast.ts'
import { hex } from '../support/bytes.ts'
import { openInBrowser } from './support.ts'

test('sends to all but one, and counts whom it reached', async () => {
  const [one, other, from, closed] = await Promise.all([
    openInBrowser(),
    openInBrowser(),
    openInBrowser(),
    openInBrowser(),
  ])
  closed.socket.fail()
  const connections = [one, other, from, closed].map(({ connection }) => connection)
  expect(broadcast(connections, 'héllo', { except: from.connection })).toBe(2)
  expect(broadcast(connections, prepare(hex('01 02')))).toBe(3)
  expect(one.socket.sent).toEqual(['héllo', hex('01 02')])
  expect(other.socket.sent).toEqual(['héllo', hex('01 02')])
  expect(from.socket.sent).toEqual([hex('01 02')])
  expect(closed.socket.sent).toEqual([])
})

test('drops a peer that does not read', async () => {
  const { connection, socket } = await openInBrowser({ sendHighWaterMark: 0, maxBufferedAmount: 10 })
  expect(broadcast([connection], 'x'.repeat(11))).toBe(1)
  expect(broadcast([connection], 'y')).toBe(0)
  expect(await connection.closed).toMatchObject({ code: 1008 })
  expect(socket.sent).toHaveLength(1)
})

test('throws for what is no message', () => {
  expect(() => broadcast([], 5 as never)).toThrow(TypeError)
  expect(() => prepare(hex('ff'), { type: 'text' })).toThrow('must be valid UTF-8')
})
