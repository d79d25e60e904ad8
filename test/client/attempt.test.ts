import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Attempt } from '../../src/client/attempt.ts'
import { rejection } from '../server/support.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function never<Value>(): Promise<Value> {
  return new Promise(() => {})
}

describe('an attempt', () => {
  test('gives what a step brings', async () => {
    const attempt = new Attempt(100, undefined)
    expect(await attempt.wait((resolve) => resolve(1))).toBe(1)
    expect(await attempt.race(Promise.resolve(2))).toBe(2)
    const error = new Error('no')
    expect(await rejection(attempt.wait((_resolve, reject) => reject(error)))).toBe(error)
    expect(await rejection(attempt.race(Promise.reject(error)))).toBe(error)
    attempt.succeed()
    expect(vi.getTimerCount()).toBe(0)
  })

  test.each(['dns', 'connect', 'proxy', 'tls', 'handshake'] as const)(
    'ends after its time in the phase %s, and says so',
    async (phase) => {
      const attempt = new Attempt(100, undefined)
      attempt.phase = phase
      const waiting = rejection(attempt.race(never()))
      vi.advanceTimersByTime(99)
      expect(attempt.isOver).toBe(false)
      vi.advanceTimersByTime(1)
      expect(await waiting).toMatchObject({ code: 'WS_TIMEOUT', phase: 'open', timeout: 100, during: phase })
      expect(attempt.isOver).toBe(true)
    },
  )

  test('shares its time among all steps', async () => {
    const attempt = new Attempt(100, undefined)
    const first = attempt.wait<void>((resolve) => setTimeout(resolve, 60))
    vi.advanceTimersByTime(60)
    await first
    const second = rejection(attempt.wait<void>((resolve) => setTimeout(resolve, 60)))
    vi.advanceTimersByTime(60)
    expect(await second).toMatchObject({ code: 'WS_TIMEOUT' })
  })

  test('lets a step say otherwise what there is when the time is over', async () => {
    const attempt = new Attempt(100, undefined)
    const known = new Error('known')
    const waiting = rejection(
      attempt.wait(
        () => {},
        () => known,
      ),
    )
    vi.advanceTimersByTime(100)
    expect(await waiting).toBe(known)
  })

  test('does not ask a step that is done', async () => {
    const attempt = new Attempt(100, undefined)
    await attempt.wait<void>(
      (resolve) => resolve(),
      () => new Error('not this one'),
    )
    const waiting = rejection(attempt.race(never()))
    vi.advanceTimersByTime(100)
    expect(await waiting).toMatchObject({ code: 'WS_TIMEOUT' })
  })

  test('ends between two steps too', async () => {
    const attempt = new Attempt(100, undefined)
    vi.advanceTimersByTime(100)
    expect(await rejection(attempt.race(Promise.resolve()))).toMatchObject({ code: 'WS_TIMEOUT' })
    expect(() => attempt.succeed()).toThrow(/openTimeout/)
  })

  test.each([new Error('mine'), 'a string', undefined])(
    'rejects with the reason of a signal: %s',
    async (reason) => {
      const controller = new AbortController()
      const attempt = new Attempt(100, controller.signal)
      const waiting = rejection(attempt.race(never()))
      controller.abort(reason)
      expect(await waiting).toBe(controller.signal.reason)
      expect(vi.getTimerCount()).toBe(0)
    },
  )

  test('does not listen to the signal once it has ended', () => {
    const controller = new AbortController()
    const attempt = new Attempt(100, controller.signal)
    attempt.succeed()
    controller.abort()
    expect(attempt.isOver).toBe(false)
  })

  test('destroys its sockets when it fails, and none when it succeeds', () => {
    const failing = new Attempt(100, undefined)
    const sockets = [failing.own(new PassThrough()), failing.own(new PassThrough())]
    failing.fail(new Error('no'))
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, true])

    const succeeding = new Attempt(100, undefined)
    const kept = succeeding.own(new PassThrough())
    succeeding.succeed()
    vi.advanceTimersByTime(1000)
    expect(kept.destroyed).toBe(false)
  })

  test('destroys what lies on a socket before the socket', () => {
    const attempt = new Attempt(100, undefined)
    const order: string[] = []
    for (const name of ['tcp', 'tls of the proxy', 'tls']) {
      const socket = attempt.own(new PassThrough())
      vi.spyOn(socket, 'destroy').mockImplementation(() => {
        order.push(name)
        return socket
      })
    }
    attempt.fail(new Error('no'))
    expect(order).toEqual(['tls', 'tls of the proxy', 'tcp'])
  })

  test('destroys a socket that comes too late', () => {
    const attempt = new Attempt(100, undefined)
    attempt.fail(new Error('no'))
    expect(attempt.own(new PassThrough()).destroyed).toBe(true)
  })

  test('drops sockets on the way to another place, and hears their errors', () => {
    const attempt = new Attempt(100, undefined)
    const socket = attempt.own(new PassThrough())
    attempt.dropSockets()
    expect(socket.destroyed).toBe(true)
    expect(socket.listenerCount('error')).toBeGreaterThan(0)
    attempt.succeed()
  })

  test('keeps the first reason', async () => {
    const attempt = new Attempt(100, undefined)
    attempt.fail('first')
    attempt.fail('second')
    expect(await rejection(attempt.race(Promise.resolve()))).toBe('first')
  })
})
