import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { LONGEST_DELAY } from '../../src/checks.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { systemClock } from '../../src/timing/clock.ts'
import { systemWheel, type TimerTask, TimerWheel } from '../../src/timing/timer-wheel.ts'

class Recorder {
  readonly clock = new FakeClock()
  readonly wheel = new TimerWheel(this.clock)
  readonly log: string[] = []

  task(name: string, action?: () => void): TimerTask {
    return {
      onTimer: () => {
        this.log.push(`${name} ${this.clock.now()}`)
        action?.()
      },
    }
  }
}

test('never sets a timer for longer than Node can wait: it would come at once, again and again', async () => {
  const clock = new FakeClock()
  const set = vi.spyOn(clock, 'setTimeout')
  const wheel = new TimerWheel(clock)
  await clock.advance(1)
  const task = { onTimer: vi.fn() }
  wheel.schedule(task, LONGEST_DELAY)
  expect(set).toHaveBeenLastCalledWith(expect.any(Function), LONGEST_DELAY)
  await clock.advance(LONGEST_DELAY)
  expect(task.onTimer).not.toHaveBeenCalled()
  await clock.advance(200)
  expect(task.onTimer).toHaveBeenCalledTimes(1)
})

describe('TimerWheel', () => {
  test('calls tasks once, in the order of their times', async () => {
    const { wheel, clock, log, task } = bind(new Recorder())
    wheel.schedule(task('late'), 500)
    wheel.schedule(task('early'), 100)
    wheel.schedule(task('middle'), 300)
    await clock.advance(2000)
    expect(log).toEqual(['early 100', 'middle 300', 'late 500'])
  })

  test('calls tasks in the order of their times also when it comes late itself', async () => {
    const { wheel, clock, log, task } = bind(new Recorder())
    wheel.schedule(task('late'), 500)
    wheel.schedule(task('early'), 100)
    wheel.schedule(task('middle'), 300)
    await clock.jump(1000)
    expect(log).toEqual(['early 1000', 'middle 1000', 'late 1000'])
  })

  test('rounds short delays up to 10 ms', async () => {
    const { wheel, clock, log, task } = bind(new Recorder())
    wheel.schedule(task('none'), 0)
    wheel.schedule(task('1'), 1)
    wheel.schedule(task('10'), 10)
    wheel.schedule(task('11'), 11)
    wheel.schedule(task('999'), 999)
    await clock.advance(2000)
    expect(log).toEqual(['none 0', '1 10', '10 10', '11 20', '999 1000'])
  })

  test('rounds long delays up to 100 ms', async () => {
    const { wheel, clock, log, task } = bind(new Recorder())
    wheel.schedule(task('1000'), 1000)
    wheel.schedule(task('1001'), 1001)
    wheel.schedule(task('20042'), 20_042)
    await clock.advance(30_000)
    expect(log).toEqual(['1000 1000', '1001 1100', '20042 20100'])
  })

  test('replaces an earlier schedule of the same task', async () => {
    const { wheel, clock, log, task } = bind(new Recorder())
    const one = task('one')
    wheel.schedule(one, 100)
    wheel.schedule(one, 400)
    wheel.schedule(one, 200)
    await clock.advance(1000)
    expect(log).toEqual(['one 200'])
  })

  test('forgets a task that was cancelled, and takes it again', async () => {
    const { wheel, clock, log, task } = bind(new Recorder())
    const one = task('one')
    const other = task('other')
    wheel.schedule(one, 100)
    wheel.schedule(other, 100)
    wheel.cancel(one)
    wheel.cancel(one)
    wheel.cancel(task('never scheduled'))
    await clock.advance(200)
    expect(log).toEqual(['other 100'])
    wheel.schedule(one, 50)
    await clock.advance(100)
    expect(log).toEqual(['other 100', 'one 250'])
  })

  test('lets a task cancel others of the same slot, of an earlier one and of a later one', async () => {
    const { wheel, clock, log, task } = bind(new Recorder())
    const same = task('same')
    const later = task('later')
    const early = task('early', () => {
      wheel.cancel(early)
      wheel.cancel(same)
      wheel.cancel(later)
    })
    wheel.schedule(early, 100)
    wheel.schedule(same, 100)
    wheel.schedule(later, 200)
    wheel.schedule(task('last'), 200)
    await clock.jump(1000)
    expect(log).toEqual(['early 1000', 'last 1000'])
  })

  test('lets a task schedule itself again', async () => {
    const { wheel, clock, log, task } = bind(new Recorder())
    const again = task('again', () => wheel.schedule(again, 1000))
    wheel.schedule(again, 1000)
    await clock.advance(3500)
    expect(log).toEqual(['again 1000', 'again 2000', 'again 3000'])
  })

  test('lets a task move another one of the same slot, which then runs once', async () => {
    const { wheel, clock, log, task } = bind(new Recorder())
    const moved = task('moved')
    const pulled = task('pulled')
    const mover = task('mover', () => {
      wheel.schedule(moved, 300)
      wheel.schedule(pulled, 0)
    })
    wheel.schedule(mover, 100)
    wheel.schedule(moved, 100)
    wheel.schedule(pulled, 100)
    await clock.advance(1000)
    expect(log).toEqual(['mover 100', 'pulled 100', 'moved 400'])
  })

  test('takes a delay without end, and never calls the task', async () => {
    const { wheel, clock, log, task } = bind(new Recorder())
    const never = task('never')
    wheel.schedule(never, Number.POSITIVE_INFINITY)
    wheel.schedule(task('other'), 100)
    await clock.advance(100_000)
    wheel.cancel(never)
    expect(log).toEqual(['other 100'])
  })

  test('holds one timer of the system, however many tasks', async () => {
    const { wheel, clock, log, task } = bind(new Recorder())
    const set = vi.spyOn(clock, 'setTimeout')
    const clear = vi.spyOn(clock, 'clearTimeout')
    for (let index = 0; index < 5000; index++) wheel.schedule(task(`${index}`), 20_000 + (index % 50))
    expect(set.mock.calls.length - clear.mock.calls.length).toBe(1)
    await clock.advance(20_000)
    expect(log).toHaveLength(100)
    await clock.advance(100)
    expect(log).toHaveLength(5000)
    expect(set.mock.calls.length).toBeLessThanOrEqual(4)
  }, 20_000)

  test('has no timer when it has no task', async () => {
    const { wheel, clock, task } = bind(new Recorder())
    const set = vi.spyOn(clock, 'setTimeout')
    wheel.schedule(task('one'), 100)
    await clock.advance(100)
    expect(set).toHaveBeenCalledTimes(1)
    await clock.advance(10_000)
    expect(set).toHaveBeenCalledTimes(1)
  })

  test('waits again when the timer of the system came too early', async () => {
    const { wheel, clock, log, task } = bind(new Recorder())
    const setTimeout = clock.setTimeout.bind(clock)
    vi.spyOn(clock, 'setTimeout').mockImplementationOnce((callback, delay) => setTimeout(callback, delay - 1))
    wheel.schedule(task('one'), 100)
    await clock.advance(99)
    expect(log).toEqual([])
    await clock.advance(1)
    expect(log).toEqual(['one 100'])
  })

  test('calls every task once, never early, at most one slot late', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(5000), { minLength: 1, maxLength: 20 }), async (delays) => {
        const clock = new FakeClock()
        const wheel = new TimerWheel(clock)
        const fired: number[][] = delays.map(() => [])
        for (const [index, delay] of delays.entries()) {
          wheel.schedule({ onTimer: () => fired[index]!.push(clock.now()) }, delay)
        }
        await clock.advance(5200)
        for (const [index, delay] of delays.entries()) {
          expect(fired[index]).toHaveLength(1)
          expect(fired[index]![0]! - delay).toBeGreaterThanOrEqual(0)
          expect(fired[index]![0]! - delay).toBeLessThan(delay >= 1000 ? 100 : 10)
        }
      }),
      { numRuns: 30 },
    )
  })

  describe('standstill', () => {
    test('is noticed when a timer comes late', async () => {
      const { wheel, clock, task } = bind(new Recorder())
      wheel.schedule(task('one'), 100)
      await clock.advance(50)
      expect(wheel.lastStandstill).toBeUndefined()
      await clock.jump(5000)
      expect(wheel.lastStandstill).toEqual({ duration: 4950, endedAt: 5050 })
      expect(wheel.timeAsleep).toBe(0)
    })

    test('is no delay of less than a second', async () => {
      const { wheel, clock, task } = bind(new Recorder())
      wheel.schedule(task('one'), 100)
      await clock.jump(1099)
      expect(wheel.lastStandstill).toBeUndefined()
    })

    test('is noticed when the time of day jumps, at the next look', async () => {
      const { wheel, clock, task } = bind(new Recorder())
      wheel.schedule(task('one'), 100)
      clock.sleep(60_000)
      expect(wheel.timeAsleep).toBe(60_000)
      expect(wheel.lastStandstill).toEqual({ duration: 60_000, endedAt: 0 })
      await clock.advance(100)
      clock.sleep(5000)
      expect(wheel.timeAsleep).toBe(65_000)
      expect(wheel.lastStandstill).toEqual({ duration: 5000, endedAt: 100 })
    })

    test('is none when the time of day is set back, and is noticed afterwards', () => {
      const { wheel, clock, task } = bind(new Recorder())
      wheel.schedule(task('one'), 100)
      clock.sleep(-60_000)
      expect([wheel.timeAsleep, wheel.lastStandstill]).toEqual([0, undefined])
      clock.sleep(2000)
      expect(wheel.timeAsleep).toBe(2000)
    })
  })

  test('runs on the system clock', async () => {
    expect(systemWheel.clock).toBe(systemClock)
    await new Promise<void>((resolve) => systemWheel.schedule({ onTimer: resolve }, 1))
  })
})

/** Let `task` be taken out of its recorder. */
function bind(recorder: Recorder): Pick<Recorder, 'clock' | 'wheel' | 'log' | 'task'> {
  return {
    clock: recorder.clock,
    wheel: recorder.wheel,
    log: recorder.log,
    task: recorder.task.bind(recorder),
  }
}
