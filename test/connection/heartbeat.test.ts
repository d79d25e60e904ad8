import { describe, expect, test, vi } from 'vitest'
import { Heartbeat, type HeartbeatTarget } from '../../src/connection/heartbeat.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { TimerWheel } from '../../src/timing/timer-wheel.ts'

class FakeTarget implements HeartbeatTarget {
  activity = 0
  isReadingPaused = false
  timePaused = 0
  isPausedForDrain = false
  isBackedUp = false
  taken = 0
  /** When pings went out and when the peer was given up. */
  readonly log: string[] = []
  /** Whether the peer answers at once. */
  isAlive = true
  readonly options: HeartbeatTarget['options']
  readonly #clock: FakeClock

  constructor(clock: FakeClock, options: HeartbeatTarget['options']) {
    this.#clock = clock
    this.options = options
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
  pingInterval: number,
  pingTimeout: number,
): { clock: FakeClock; target: FakeTarget; heartbeat: Heartbeat } {
  const clock = new FakeClock()
  const target = new FakeTarget(clock, { pingInterval, pingTimeout })
  return { clock, target, heartbeat: new Heartbeat(new TimerWheel(clock), target) }
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

  test('does not count the time for which we did not read', async () => {
    const { clock, target } = begin(20_000, 20_000)
    target.isAlive = false
    await clock.advance(39_000)
    target.timePaused += 12_000
    await clock.advance(12_900)
    expect(target.log).toEqual(['ping 20000'])
    await clock.advance(200)
    expect(target.log).toEqual(['ping 20000', 'failed 52000'])
  })

  test('gives up a peer however often we pause', async () => {
    const { clock, target } = begin(20_000, 20_000)
    target.isAlive = false
    for (let second = 0; second < 60; second++) {
      await clock.advance(1000)
      // Half of the time; less than a quarter of the timeout is not worth another look.
      target.timePaused += 500
    }
    expect(target.log).toEqual(['ping 20000', 'failed 50000'])
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

  test('stops between a ping that has to wait and the look at what waits', async () => {
    const { clock, target, heartbeat } = begin(1000, 1000)
    target.isBackedUp = true
    const looks = vi.spyOn(target, 'taken', 'get')
    const afterInput = clock.afterInput.bind(clock)
    clock.afterInput = (callback) => {
      heartbeat.stop()
      afterInput(callback)
    }
    await clock.advance(10_000)
    expect(looks).not.toHaveBeenCalled()
  })

  describe('while the machine sleeps, where monotonic time stands still', () => {
    test('does not blame a peer whose answer was under way', async () => {
      const { clock, target } = begin(20_000, 20_000)
      target.isAlive = false
      await clock.advance(39_000)
      clock.sleep(3_600_000)
      await clock.advance(10_000)
      expect(target.log).toEqual(['ping 20000'])
      target.activity++
      await clock.advance(12_000)
      expect(target.log).toEqual(['ping 20000', 'ping 60000'])
    })

    test('gives up a peer that stays silent afterwards', async () => {
      const { clock, target } = begin(20_000, 20_000)
      target.isAlive = false
      await clock.advance(39_000)
      clock.sleep(3_600_000)
      await clock.advance(60_000)
      expect(target.log).toEqual(['ping 20000', 'failed 60000'])
    })

    test('gives no time for a clock that was set a little, or back', async () => {
      const { clock, target } = begin(20_000, 20_000)
      target.isAlive = false
      await clock.advance(30_000)
      clock.sleep(900)
      await clock.advance(1000)
      clock.sleep(-3_600_000)
      await clock.advance(60_000)
      expect(target.log).toEqual(['ping 20000', 'failed 40000'])
    })
  })

  describe('behind bytes that wait', () => {
    const MIB = 1024 * 1024

    test('does not blame a peer that takes them, however slowly', async () => {
      const { clock, target } = begin(20_000, 20_000)
      target.isAlive = false
      target.isBackedUp = true
      await clock.advance(20_000)
      for (let round = 0; round < 20; round++) {
        target.taken += 1000
        await clock.advance(20_000)
      }
      expect(target.log.filter((entry) => entry.startsWith('failed'))).toEqual([])
    })

    test('gives up a peer that takes nothing', async () => {
      const { clock, target } = begin(20_000, 20_000)
      target.isAlive = false
      target.isBackedUp = true
      target.taken = 5 * MIB
      await clock.advance(100_000)
      expect(target.log).toEqual(['ping 20000', 'failed 40000'])
    })

    test('gives up a peer that takes nothing also while we wait for that before we read', async () => {
      const { clock, target } = begin(20_000, 20_000)
      target.isAlive = false
      target.isReadingPaused = true
      target.isPausedForDrain = true
      target.isBackedUp = true
      await clock.advance(100_000)
      expect(target.log).toEqual(['ping 20000', 'failed 40000'])
    })

    test('gives a peer time anew when bytes begin to wait after the ping', async () => {
      const { clock, target } = begin(20_000, 20_000)
      target.isAlive = false
      await clock.advance(30_000)
      target.isReadingPaused = true
      target.isPausedForDrain = true
      target.isBackedUp = true
      await clock.advance(100_000)
      expect(target.log).toEqual(['ping 20000', 'ping 40000', 'failed 60000'])
    })

    test('does not count what the system takes while nothing waits: that may reach nobody', async () => {
      const { clock, target } = begin(20_000, 20_000)
      target.isAlive = false
      await clock.advance(20_000)
      target.taken += 1000
      await clock.advance(100_000)
      expect(target.log).toEqual(['ping 20000', 'failed 40000'])
    })

    test('does not count what waits for a moment only, as in a TLS socket', async () => {
      const { clock, target } = begin(20_000, 20_000)
      target.isAlive = false
      target.isBackedUp = true
      const afterInput = clock.afterInput.bind(clock)
      clock.afterInput = (callback) => {
        target.isBackedUp = false
        target.taken += 100
        afterInput(callback)
      }
      await clock.advance(100_000)
      expect(target.log).toEqual(['ping 20000', 'failed 40000'])
    })

    test('gives what the system holds the time that it takes at the pace of what went before', async () => {
      const { clock, target } = begin(20_000, 20_000)
      target.isAlive = false
      target.isBackedUp = true
      await clock.advance(20_000)
      // 4 MiB in 20 s: the 8 MiB that the system may hold need 40 s more.
      target.taken += 4 * MIB
      await clock.advance(20_000)
      target.isBackedUp = false
      await clock.advance(39_000)
      expect(target.log).toEqual(['ping 20000', 'ping 40000'])
      await clock.advance(21_500)
      expect(target.log).toEqual(['ping 20000', 'ping 40000', 'failed 80000'])
    })

    test('has patience for five timeouts at most', async () => {
      const { clock, target } = begin(20_000, 20_000)
      target.isAlive = false
      target.isBackedUp = true
      await clock.advance(20_000)
      target.taken += 1
      await clock.advance(20_000)
      await clock.advance(99_900)
      expect(target.log).toEqual(['ping 20000', 'ping 40000'])
      await clock.advance(20_200)
      expect(target.log.at(-1)).toBe('failed 140000')
    })
  })
})
