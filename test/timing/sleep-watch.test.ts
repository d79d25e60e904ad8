import { expect, test, vi } from 'vitest'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { SleepWatch } from '../../src/timing/sleep-watch.ts'

test('calls everybody once after the machine has slept', async () => {
  const clock = new FakeClock()
  const watch = new SleepWatch(clock)
  const [one, other] = [vi.fn(), vi.fn()]
  watch.subscribe(one)
  watch.subscribe(other)
  await clock.advance(60_000)
  expect(one).not.toHaveBeenCalled()
  clock.sleep(60_000)
  await clock.advance(1000)
  expect([one.mock.calls.length, other.mock.calls.length]).toEqual([1, 1])
  await clock.advance(60_000)
  expect(one).toHaveBeenCalledTimes(1)
})

test('minds neither a loop that was blocked for a moment nor a clock that was set back', async () => {
  const clock = new FakeClock()
  const callback = vi.fn()
  new SleepWatch(clock).subscribe(callback)
  await clock.jump(4500)
  clock.sleep(-3_600_000)
  await clock.advance(10_000)
  expect(callback).not.toHaveBeenCalled()
})

test('forgets who unsubscribed, also while it calls', async () => {
  const clock = new FakeClock()
  const watch = new SleepWatch(clock)
  const calls: string[] = []
  const unsubscribe = [
    watch.subscribe(() => {
      calls.push('one')
      for (const stop of unsubscribe) stop()
    }),
    watch.subscribe(() => calls.push('other')),
  ]
  clock.sleep(60_000)
  await clock.advance(1000)
  expect(calls).toEqual(['one', 'other'])
  clock.sleep(60_000)
  await clock.advance(5000)
  expect(calls).toHaveLength(2)
})

test('has a timer only while somebody listens', () => {
  const clock = new FakeClock()
  const set = vi.spyOn(clock, 'setTimeout')
  const clear = vi.spyOn(clock, 'clearTimeout')
  const watch = new SleepWatch(clock)
  expect(set).not.toHaveBeenCalled()
  const callback = (): void => {}
  const stop = watch.subscribe(callback)
  const stopSecond = watch.subscribe(callback)
  expect(set).toHaveBeenCalledTimes(1)
  stop()
  stop()
  expect(clear).not.toHaveBeenCalled()
  stopSecond()
  expect(clear).toHaveBeenCalledTimes(1)
})
