import { describe, expect, test, vi } from 'vitest'
import { PageWakeUps } from '../../src/browser/wake-ups.ts'

class FakeTarget {
  readonly listeners = new Map<string, Set<() => void>>()

  addEventListener(type: string, listener: () => void): void {
    this.listeners.set(type, (this.listeners.get(type) ?? new Set()).add(listener))
  }

  removeEventListener(type: string, listener: () => void): void {
    this.listeners.get(type)?.delete(listener)
  }

  emit(type: string): void {
    for (const listener of this.listeners.get(type) ?? []) listener()
  }

  get count(): number {
    return [...this.listeners.values()].reduce((sum, { size }) => sum + size, 0)
  }
}

class FakeDocument extends FakeTarget {
  visibilityState = 'visible'
}

class FakePage extends FakeTarget {
  readonly document: FakeDocument = new FakeDocument()
}

class FakeSleep {
  readonly callbacks: Set<() => void> = new Set()

  subscribe(callback: () => void): () => void {
    this.callbacks.add(callback)
    return () => this.callbacks.delete(callback)
  }

  wakeUp(): void {
    for (const callback of this.callbacks) callback()
  }
}

describe('a page wakes up', () => {
  test('when it is online again, is shown again, is looked at again, and after sleep', () => {
    const [page, sleep, callback] = [new FakePage(), new FakeSleep(), vi.fn()]
    new PageWakeUps(page, sleep).subscribe(callback)
    page.emit('online')
    expect(callback).toHaveBeenCalledTimes(1)
    page.emit('pageshow')
    expect(callback).toHaveBeenCalledTimes(2)
    page.document.emit('visibilitychange')
    expect(callback).toHaveBeenCalledTimes(3)
    sleep.wakeUp()
    expect(callback).toHaveBeenCalledTimes(4)
  })

  test('not when it is hidden, where slow timers look like sleep', () => {
    const [page, sleep, callback] = [new FakePage(), new FakeSleep(), vi.fn()]
    new PageWakeUps(page, sleep).subscribe(callback)
    page.document.visibilityState = 'hidden'
    page.document.emit('visibilitychange')
    sleep.wakeUp()
    expect(callback).not.toHaveBeenCalled()
    page.emit('online')
    expect(callback).toHaveBeenCalledTimes(1)
  })

  test('for nobody any more after the end of the subscription', () => {
    const [page, sleep, callback] = [new FakePage(), new FakeSleep(), vi.fn()]
    const wakeUps = new PageWakeUps(page, sleep)
    // The same function twice is two subscriptions.
    const stops = [wakeUps.subscribe(callback), wakeUps.subscribe(callback)]
    stops[0]!()
    page.emit('online')
    expect(callback).toHaveBeenCalledTimes(1)
    stops[1]!()
    expect(page.count + page.document.count + sleep.callbacks.size).toBe(0)
  })

  test('in a worker, which has no document, and where there are no events at all', () => {
    const [worker, sleep, callback] = [new FakeTarget(), new FakeSleep(), vi.fn()]
    const stops = [
      new PageWakeUps(worker, sleep).subscribe(callback),
      new PageWakeUps({}, sleep).subscribe(callback),
    ]
    worker.emit('online')
    sleep.wakeUp()
    expect(callback).toHaveBeenCalledTimes(3)
    for (const stop of stops) stop()
    expect(worker.count + sleep.callbacks.size).toBe(0)
  })
})
