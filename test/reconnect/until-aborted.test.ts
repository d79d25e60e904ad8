import { describe, expect, test, vi } from 'vitest'
import { untilAborted } from '../../src/reconnect/until-aborted.ts'

describe('untilAborted', () => {
  test('gives what was waited for, and forgets the signal', async () => {
    const { signal } = new AbortController()
    const added = vi.spyOn(signal, 'addEventListener')
    const removed = vi.spyOn(signal, 'removeEventListener')
    expect(await untilAborted('value', signal)).toBe('value')
    expect(await untilAborted(Promise.resolve('later'), signal)).toBe('later')
    await expect(untilAborted(Promise.reject(new Error('failed')), signal)).rejects.toThrow('failed')
    await Promise.resolve()
    expect(added).toHaveBeenCalledTimes(3)
    expect(removed.mock.calls).toEqual(added.mock.calls)
  })

  test('rejects with the reason of the signal: while it waits, and at once', async () => {
    const aborter = new AbortController()
    const waiting = untilAborted(new Promise(() => {}), aborter.signal)
    aborter.abort('enough')
    await expect(waiting).rejects.toBe('enough')
    await expect(untilAborted('value', aborter.signal)).rejects.toBe('enough')
    // Nobody hears of what fails later, and nothing crashes.
    await expect(untilAborted(Promise.reject(new Error('late')), aborter.signal)).rejects.toBe('enough')
  })
})
