import { describe, expect, test } from 'vitest'
import { type ReconnectStatus, StatusFeed } from '../../src/reconnect/status.ts'

const connecting = (attempt: number): ReconnectStatus<string> => ({ state: 'connecting', attempt })
const closed: ReconnectStatus<string> = { state: 'closed', error: undefined, info: undefined }

describe('StatusFeed', () => {
  test('gives the last fact first, then each that comes, and ends with closed', async () => {
    const feed = new StatusFeed<string>()
    feed.report(connecting(1))
    feed.report(connecting(2))
    const seen: unknown[] = []
    const reading = (async () => {
      for await (const status of feed.read()) seen.push(status)
    })()
    await Promise.resolve()
    feed.report({ state: 'open', connection: 'c', attempt: 2, downtime: undefined })
    await Promise.resolve()
    feed.report(closed)
    await reading
    expect(seen).toEqual([
      connecting(2),
      { state: 'open', connection: 'c', attempt: 2, downtime: undefined },
      closed,
    ])
    expect(feed.last).toBe(closed)
  })

  test('waits for the first fact', async () => {
    const feed = new StatusFeed<string>()
    const next = feed.read().next()
    feed.report(connecting(1))
    expect(await next).toEqual({ value: connecting(1), done: false })
  })

  test('keeps the newest facts for a reader that is slow, and forgets who left', async () => {
    const feed = new StatusFeed<string>()
    const slow = feed.read()
    const first = slow.next()
    for (let attempt = 1; attempt <= 1000; attempt++) feed.report(connecting(attempt))
    await first
    feed.report(closed)
    const rest: ReconnectStatus<string>[] = []
    for await (const status of slow) rest.push(status)
    expect(rest.length).toBeLessThan(100)
    expect(rest.at(-1)).toBe(closed)
    expect(rest.at(-2)).toEqual(connecting(1000))
    for await (const _ of feed.read()) break
  })
})

test('a reader that leaves while it waits for a fact need not wait for it', async () => {
  const feed = new StatusFeed<string>()
  const reader = feed.read()
  const pending = reader.next()
  expect(await reader.return!()).toEqual({ value: undefined, done: true })
  expect(await pending).toEqual({ value: undefined, done: true })
  feed.report(connecting(1))
  expect(await reader.next()).toEqual({ value: undefined, done: true })
})
