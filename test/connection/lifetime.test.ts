import { expect, test } from 'vitest'
import { LIFETIME_OVER, saysLifetimeOver, spreadLifetime } from '../../src/connection/lifetime.ts'

test('a life is never longer than the longest, and at most a tenth shorter', () => {
  expect(spreadLifetime(1000, () => 0)).toBe(1000)
  expect(spreadLifetime(1000, () => 0.5)).toBe(950)
  expect(spreadLifetime(1000, () => 1)).toBe(900)
})

test('lives that begin together end apart', () => {
  const lives = Array.from({ length: 1000 }, () => spreadLifetime(100_000))
  expect(Math.max(...lives)).toBeLessThanOrEqual(100_000)
  expect(Math.min(...lives)).toBeGreaterThanOrEqual(90_000)
  // No tenth of the time has more than about twice its share.
  const tenths = Array.from({ length: 10 }, (_, index) =>
    lives.filter((life) => Math.floor((life - 90_000) / 1000) === index),
  )
  expect(Math.max(...tenths.map(({ length }) => length))).toBeLessThan(200)
})

test('the close frame is told from others', () => {
  expect(saysLifetimeOver(LIFETIME_OVER)).toBe(true)
  expect(saysLifetimeOver({ code: 1001, reason: 'bye' })).toBe(false)
  expect(saysLifetimeOver({ code: 1000, reason: 'lifetime over' })).toBe(false)
  expect(saysLifetimeOver(undefined)).toBe(false)
})
