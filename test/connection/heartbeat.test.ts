import { describe, expect, test } from 'vitest'
import { Heartbeat, type HeartbeatTarget } from '../../src/connection/heartbeat.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { TimerWheel } from '../../src/timing/timer-wheel.ts'

class FakeTarget implements HeartbeatTarget {
  activity = 0
  isReadingPaused = false
  /** When pings went out and when the peer was given up. */
  readonly log: string[] = []
  /** Whether the peer answers at once. */
  isAlive = true
  readonly #clock: FakeClock

  constructor(clock: FakeClock) {
    this.#clock = clock
  }

  sendHeartbeat(): void {
    this.log.push(`ping ${this.#clock.now()}`)
    if (this.isAlive) this.activity++
  }

  heartbeatFailed(): void {
    this.log.push(`failed ${this.#clock.now()}`)
  }
}

function begin(
  interval: number,
  timeout: number,
): { clock: FakeClock; target: FakeTarget; heartbeat: Heartbeat } {
  const clock = new FakeClock()
  const target = new FakeTarget(clock)
  return { clock, target, heartbeat: new Heartbeat(new TimerWheel(clock), target, interval, timeout) }
}

describe('Heartbeat', () => {
  test('pings at the interval while the peer answers', async () => {
    const { clock, target } = begin(20_000, 20_000)
    await clock.advance(90_000)
    expect(target.log).toEqual(['ping 20000', 'ping 40000', 'ping 60000', 'ping 80000'])
  })

  test('pings at the interval when the timeout is shorter', async () => {
    const { clock, target } = begin(20_000, 5000)
    await clock.advance(65_000)
    expect(target.log).toEqual(['ping 20000', 'ping 40000', 'ping 60000'])
  })

  test('pings at the interval when the timeout is longer', async () => {
    const { clock, target } = begin(5000, 20_000)
    await clock.advance(21_000)
    expect(target.log).toEqual(['ping 5000', 'ping 10000', 'ping 15000', 'ping 20000'])
  })

  test.each([
    [20_000, 20_000],
    [20_000, 5000],
    [5000, 20_000],
    [1000, 500],
  ])('gives up a peer that is silent, interval %d and timeout %d', async (interval, timeout) => {
    const { clock, target } = begin(interval, timeout)
    target.isAlive = false
    await clock.advance(10 * (interval + timeout))
    expect(target.log).toEqual([`ping ${interval}`, `failed ${interval + timeout}`])
  })

  test('takes any byte within the timeout as life', async () => {
    const { clock, target } = begin(5000, 20_000)
    target.isAlive = false
    await clock.advance(24_000)
    target.activity++
    await clock.advance(1500)
    expect(target.log).toEqual(['ping 5000', 'ping 25000'])
    await clock.advance(20_000)
    expect(target.log).toEqual(['ping 5000', 'ping 25000', 'failed 45000'])
  })

  test('takes bytes as life that wait to be read when the timeout ends', async () => {
    const { clock, target } = begin(1000, 1000)
    target.isAlive = false
    const afterInput = clock.afterInput.bind(clock)
    clock.afterInput = (callback) => {
      target.activity++
      afterInput(callback)
    }
    await clock.advance(5500)
    expect(target.log).toEqual(['ping 1000', 'ping 2000', 'ping 3000', 'ping 4000', 'ping 5000'])
  })

  test('does not blame a peer while reading is paused', async () => {
    const { clock, target } = begin(1000, 1000)
    target.isAlive = false
    target.isReadingPaused = true
    await clock.advance(10_500)
    expect(target.log.filter((entry) => entry.startsWith('failed'))).toEqual([])
    target.isReadingPaused = false
    await clock.advance(2000)
    expect(target.log.at(-1)).toMatch(/^failed/)
  })

  test('does not blame a peer for a loop that stood still while the ping was under way', async () => {
    const { clock, target } = begin(20_000, 20_000)
    target.isAlive = false
    await clock.advance(21_000)
    await clock.jump(60_000)
    expect(target.log).toEqual(['ping 20000'])
    target.activity++
    await clock.advance(20_000)
    expect(target.log).toEqual(['ping 20000', 'ping 101000'])
  })

  test('gives up a peer that stays silent after the loop stood still', async () => {
    const { clock, target } = begin(20_000, 20_000)
    target.isAlive = false
    await clock.advance(21_000)
    await clock.jump(60_000)
    await clock.advance(20_000)
    expect(target.log).toEqual(['ping 20000', 'failed 101000'])
  })

  test('does not blame a peer for a loop that stood still before the ping', async () => {
    const { clock, target } = begin(20_000, 20_000)
    target.isAlive = false
    await clock.jump(300_000)
    expect(target.log).toEqual(['ping 300000'])
    await clock.advance(19_000)
    target.activity++
    await clock.advance(2000)
    expect(target.log).toEqual(['ping 300000', 'ping 320000'])
  })

  test('only pings when the timeout is off', async () => {
    const { clock, target } = begin(10_000, Number.POSITIVE_INFINITY)
    target.isAlive = false
    await clock.advance(35_000)
    expect(target.log).toEqual(['ping 10000', 'ping 20000', 'ping 30000'])
  })

  test('stops', async () => {
    const { clock, target, heartbeat } = begin(1000, 1000)
    await clock.advance(1500)
    heartbeat.stop()
    await clock.advance(10_000)
    expect(target.log).toEqual(['ping 1000'])
  })

  test('stops between the end of the timeout and the judgement', async () => {
    const { clock, target, heartbeat } = begin(1000, 1000)
    target.isAlive = false
    const afterInput = clock.afterInput.bind(clock)
    clock.afterInput = (callback) => {
      heartbeat.stop()
      afterInput(callback)
    }
    await clock.advance(10_000)
    expect(target.log).toEqual(['ping 1000'])
  })
})
