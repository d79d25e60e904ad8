import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from '../../src/timing/clock.ts'

describe('systemClock', () => {
  test('never goes back', () => {
    const times = Array.from({ length: 100 }, () => systemClock.now())
    expect(times).toEqual([...times].sort((one, other) => one - other))
  })

  test('knows the time of day', () => {
    expect(Math.abs(systemClock.timeOfDay() - Date.now())).toBeLessThan(1000)
  })

  test('calls after a delay, without keeping the process alive', async () => {
    const before = systemClock.now()
    let timer: unknown
    const called = new Promise<void>((resolve) => {
      timer = systemClock.setTimeout(resolve, 5)
    })
    expect((timer as NodeJS.Timeout).hasRef()).toBe(false)
    await called
    // Node's timers count whole ms and may come up to one early.
    expect(systemClock.now() - before).toBeGreaterThanOrEqual(4)
  })

  test('does not call what was cleared', async () => {
    let called = false
    const timer = systemClock.setTimeout(() => {
      called = true
    }, 1)
    systemClock.clearTimeout(timer)
    await sleep(10)
    expect(called).toBe(false)
  })

  test('calls after input, which is after timers and ticks that are due', async () => {
    const order: string[] = []
    await new Promise<void>((resolve) => {
      systemClock.afterInput(() => {
        order.push('after input')
        resolve()
      })
      process.nextTick(() => order.push('tick'))
    })
    expect(order).toEqual(['tick', 'after input'])
  })
})

describe('systemClock in a browser', () => {
  afterEach(() => vi.unstubAllGlobals())

  test('has timers that are numbers', async () => {
    const later = setTimeout
    const cleared: unknown[] = []
    vi.stubGlobal('setTimeout', (callback: () => void, delay: number) => {
      later(callback, delay)
      return 7
    })
    vi.stubGlobal('clearTimeout', (timer: unknown) => cleared.push(timer))
    const called = new Promise<void>((resolve) => {
      systemClock.clearTimeout(systemClock.setTimeout(resolve, 1))
    })
    await called
    expect(cleared).toEqual([7])
  })

  test('calls after input without setImmediate', async () => {
    vi.stubGlobal('setImmediate', undefined)
    const order: string[] = []
    await new Promise<void>((resolve) => {
      systemClock.afterInput(() => {
        order.push('after input')
        resolve()
      })
      queueMicrotask(() => order.push('microtask'))
    })
    expect(order).toEqual(['microtask', 'after input'])
  })
})
