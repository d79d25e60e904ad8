import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Opening } from '../../src/client/opening.ts'
import { rejection } from '../server/support.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function never<Value>(): Promise<Value> {
  return new Promise(() => {})
}

describe('an opening', () => {
  test('gives what a step brings', async () => {
    const opening = new Opening(100, undefined)
    expect(await opening.wait((resolve) => resolve(1))).toBe(1)
    expect(await opening.race(Promise.resolve(2))).toBe(2)
    const error = new Error('no')
    expect(await rejection(opening.wait((_resolve, reject) => reject(error)))).toBe(error)
    expect(await rejection(opening.race(Promise.reject(error)))).toBe(error)
    opening.succeed()
    expect(vi.getTimerCount()).toBe(0)
  })

  test.each(['dns', 'connect', 'proxy', 'tls', 'handshake'] as const)(
    'ends after its time in the phase %s, and says so',
    async (phase) => {
      const opening = new Opening(100, undefined)
      opening.phase = phase
      const waiting = rejection(opening.race(never()))
      vi.advanceTimersByTime(99)
      expect(opening.isOver).toBe(false)
      vi.advanceTimersByTime(1)
      expect(await waiting).toMatchObject({ code: 'WS_TIMEOUT', phase: 'open', timeout: 100, during: phase })
      expect(opening.isOver).toBe(true)
    },
  )

  test('does not count the time in which our own loop stood still', async () => {
    const now = vi.spyOn(performance, 'now')
    now.mockReturnValue(0)
    const opening = new Opening(100, undefined)
    const waiting = rejection(opening.race(never()))
    now.mockReturnValue(5000)
    vi.advanceTimersByTime(100)
    expect(opening.isOver).toBe(false)
    now.mockReturnValue(9900)
    vi.advanceTimersByTime(4900)
    expect(await waiting).toMatchObject({ code: 'WS_TIMEOUT' })
  })

  test('shares its time among all steps', async () => {
    const opening = new Opening(100, undefined)
    const first = opening.wait<void>((resolve) => setTimeout(resolve, 60))
    vi.advanceTimersByTime(60)
    await first
    const second = rejection(opening.wait<void>((resolve) => setTimeout(resolve, 60)))
    vi.advanceTimersByTime(60)
    expect(await second).toMatchObject({ code: 'WS_TIMEOUT' })
  })

  test('lets a step say otherwise what there is when the time is over', async () => {
    const opening = new Opening(100, undefined)
    const known = new Error('known')
    const waiting = rejection(
      opening.wait(
        () => {},
        () => known,
      ),
    )
    vi.advanceTimersByTime(100)
    expect(await waiting).toBe(known)
  })

  test('does not ask a step that is done', async () => {
    const opening = new Opening(100, undefined)
    await opening.wait<void>(
      (resolve) => resolve(),
      () => new Error('not this one'),
    )
    const waiting = rejection(opening.race(never()))
    vi.advanceTimersByTime(100)
    expect(await waiting).toMatchObject({ code: 'WS_TIMEOUT' })
  })

  test('ends between two steps too', async () => {
    const opening = new Opening(100, undefined)
    vi.advanceTimersByTime(100)
    expect(await rejection(opening.race(Promise.resolve()))).toMatchObject({ code: 'WS_TIMEOUT' })
    expect(() => opening.succeed()).toThrow(/openTimeout/)
  })

  test.each([new Error('mine'), 'a string', undefined])(
    'rejects with the reason of a signal: %s',
    async (reason) => {
      const controller = new AbortController()
      const opening = new Opening(100, controller.signal)
      const waiting = rejection(opening.race(never()))
      controller.abort(reason)
      expect(await waiting).toBe(controller.signal.reason)
      expect(vi.getTimerCount()).toBe(0)
    },
  )

  test('does not listen to the signal once it has ended', () => {
    const controller = new AbortController()
    const opening = new Opening(100, controller.signal)
    opening.succeed()
    controller.abort()
    expect(opening.isOver).toBe(false)
  })

  test('destroys its sockets when it fails, and none when it succeeds', () => {
    const failing = new Opening(100, undefined)
    const sockets = [failing.own(new PassThrough()), failing.own(new PassThrough())]
    failing.fail(new Error('no'))
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, true])

    const succeeding = new Opening(100, undefined)
    const kept = succeeding.own(new PassThrough())
    succeeding.succeed()
    vi.advanceTimersByTime(1000)
    expect(kept.destroyed).toBe(false)
  })

  test('destroys what lies on a socket before the socket', () => {
    const opening = new Opening(100, undefined)
    const order: string[] = []
    for (const name of ['tcp', 'tls of the proxy', 'tls']) {
      const socket = opening.own(new PassThrough())
      vi.spyOn(socket, 'destroy').mockImplementation(() => {
        order.push(name)
        return socket
      })
    }
    opening.fail(new Error('no'))
    expect(order).toEqual(['tls', 'tls of the proxy', 'tcp'])
  })

  test('destroys a socket that comes too late', () => {
    const opening = new Opening(100, undefined)
    opening.fail(new Error('no'))
    expect(opening.own(new PassThrough()).destroyed).toBe(true)
  })

  test('drops sockets on the way to another place, and hears their errors', () => {
    const opening = new Opening(100, undefined)
    const socket = opening.own(new PassThrough())
    opening.dropSockets()
    expect(socket.destroyed).toBe(true)
    expect(socket.listenerCount('error')).toBeGreaterThan(0)
    opening.succeed()
  })

  test('does not leave the failure of a step unheard that begins when it is over', async () => {
    const opening = new Opening(100, undefined)
    opening.fail('over')
    expect(await rejection(opening.race(Promise.reject(new Error('unheard'))))).toBe('over')
  })

  test('keeps the first reason', async () => {
    const opening = new Opening(100, undefined)
    opening.fail('first')
    opening.fail('second')
    expect(await rejection(opening.race(Promise.resolve()))).toBe('first')
  })
})
