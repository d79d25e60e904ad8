import { describe, expect, test } from 'vitest'
import { FakeClock } from '../../src/testing/fake-clock.ts'

describe('FakeClock', () => {
  test('stands still until it is moved', async () => {
    const clock = new FakeClock()
    expect(clock.now()).toBe(0)
    await clock.advance(5)
    await clock.jump(7)
    expect(clock.now()).toBe(12)
  })

  test('calls timers at their times, in order, those of one time as they were set', async () => {
    const clock = new FakeClock()
    const log: string[] = []
    for (const [name, delay] of [
      ['c', 30],
      ['a', 10],
      ['b', 10],
      ['d', 31],
    ] as const) {
      clock.setTimeout(() => log.push(`${name} ${clock.now()}`), delay)
    }
    await clock.advance(30)
    expect(log).toEqual(['a 10', 'b 10', 'c 30'])
    expect(clock.now()).toBe(30)
    await clock.advance(1)
    expect(log.at(-1)).toBe('d 31')
  })

  test('calls timers that timers set, and lets promises settle in between', async () => {
    const clock = new FakeClock()
    const log: string[] = []
    clock.setTimeout(() => {
      void Promise.resolve().then(() => log.push('promise'))
      clock.afterInput(() => log.push('input'))
      clock.setTimeout(() => log.push(`second ${clock.now()}`), 10)
    }, 10)
    await clock.advance(20)
    expect(log).toEqual(['promise', 'input', 'second 20'])
  })

  test('does not call what was cleared', async () => {
    const clock = new FakeClock()
    let called = false
    const timer = clock.setTimeout(() => {
      called = true
    }, 10)
    clock.clearTimeout(timer)
    clock.clearTimeout(timer)
    await clock.advance(100)
    expect(called).toBe(false)
  })

  test('sleeps: only the time of day goes on', async () => {
    const clock = new FakeClock()
    let called = false
    clock.setTimeout(() => {
      called = true
    }, 100)
    clock.sleep(60_000)
    await clock.advance(50)
    expect([clock.now(), clock.timeOfDay(), called]).toEqual([50, 60_050, false])
  })

  test('jumps: timers fire late, one after the other, with nothing in between', async () => {
    const clock = new FakeClock()
    const log: string[] = []
    clock.setTimeout(() => log.push(`second ${clock.now()}`), 20)
    clock.setTimeout(() => {
      log.push(`first ${clock.now()}`)
      void Promise.resolve().then(() => log.push('promise'))
    }, 10)
    await clock.jump(500)
    expect(log).toEqual(['first 500', 'second 500', 'promise'])
  })
})
