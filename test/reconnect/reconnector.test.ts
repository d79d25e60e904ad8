import { describe, expect, test, vi } from 'vitest'
import { ConnectionClosedError, HandshakeRejectedError } from '../../src/errors.ts'
import type { ReconnectStatus } from '../../src/reconnect/status.ts'
import { closeInfo, type FakeConnection, FakeSurroundings, NO_FACTS, refused } from './support.ts'

describe('Reconnector', () => {
  test('dials, and says what it does', async () => {
    const surroundings = new FakeSurroundings()
    const engine = surroundings.engine()
    const connection = await engine.dial()
    expect(surroundings.attempts).toEqual([{ number: 1, error: undefined, signal: expect.any(AbortSignal) }])
    expect(engine.status.last).toEqual({ state: 'open', connection, attempt: 1, downtime: undefined })
  })

  test('counts attempts, and tells each why the last one failed', async () => {
    const surroundings = new FakeSurroundings()
    const failure = refused()
    surroundings.script = [failure]
    const engine = surroundings.engine()
    const error = await engine.dial().catch((error: unknown) => error)
    expect(error).toBe(failure)
    expect(await engine.judge(error)).toBe(100)
    await engine.dial()
    expect(surroundings.attempts.map(({ number, error }) => [number, error])).toEqual([
      [1, undefined],
      [2, failure],
    ])
    expect(engine.attempt).toBe(2)
  })

  test('waits as long as it says, to the millisecond', async () => {
    const surroundings = new FakeSurroundings()
    const { clock } = surroundings
    const engine = surroundings.engine()
    let isOver = false
    const waiting = engine.wait(1500, 'why').then(() => {
      isOver = true
    })
    expect(engine.status.last).toEqual({
      state: 'waiting',
      attempt: 1,
      delay: 1500,
      until: new Date(clock.timeOfDay() + 1500),
      error: 'why',
      pattern: undefined,
    })
    await clock.advance(1499)
    expect(isOver).toBe(false)
    await clock.advance(1)
    await waiting
    expect(surroundings.sleepers.size).toBe(0)
  })

  test('keeps the process alive while it waits', () => {
    const surroundings = new FakeSurroundings()
    const set = vi.spyOn(surroundings.clock, 'setTimeout')
    void surroundings.engine().wait(1500, undefined)
    expect(set.mock.calls[0]?.slice(1)).toEqual([1500, true])
  })

  test('gives up on what will not pass, after maxFailures, and when told so', async () => {
    const surroundings = new FakeSurroundings()
    expect(await surroundings.engine().judge(new TypeError('wrong option'))).toBeUndefined()
    const patient = surroundings.engine({ maxFailures: 3 })
    const judged = [
      await patient.judge(refused()),
      await patient.judge(refused()),
      await patient.judge(refused()),
    ]
    expect(judged).toEqual([100, 100, undefined])
    const shouldRetry = vi.fn(async () => false)
    expect(await surroundings.engine({ shouldRetry }).judge('error')).toBeUndefined()
    expect(shouldRetry).toHaveBeenCalledWith('error', 1)
  })

  test('passes on what shouldRetry throws', async () => {
    const surroundings = new FakeSurroundings()
    const shouldRetry = (): boolean => {
      throw new Error('mistake')
    }
    await expect(surroundings.engine({ shouldRetry }).judge('error')).rejects.toThrow('mistake')
  })

  test('waits longer where the server asks for it, and still spreads', async () => {
    const surroundings = new FakeSurroundings()
    const engine = surroundings.engine({ backoff: 250 })
    const error = new HandshakeRejectedError({
      status: 503,
      statusText: '',
      headers: { 'retry-after': '7' },
      body: '',
    })
    expect(await engine.judge(error)).toBe(7250)
  })

  test.each([
    ['ends', () => [10]],
    ['is empty', () => []],
    ['gives nonsense', () => [Number.NaN, -5, 'x' as never]],
  ])('does not turn into a tight loop when a series of delays %s', async (_what, backoff) => {
    const engine = new FakeSurroundings().engine({ backoff })
    const delays = [
      await engine.judge(refused()),
      await engine.judge(refused()),
      await engine.judge(refused()),
    ]
    for (const delay of delays) expect(delay).toBeGreaterThanOrEqual(10)
    expect(Math.max(...(delays as number[]))).toBe(60_000)
  })

  test('begins the series anew after a connection that was stable, not after one that was not', async () => {
    const surroundings = new FakeSurroundings()
    const { clock } = surroundings
    const engine = surroundings.engine({ backoff: () => [100, 200, 400, 800], stableAfter: 5000 })
    const stay = async (ms: number): Promise<number | undefined> => {
      await engine.dial()
      await clock.advance(ms)
      return engine.judge(engine.ended(closeInfo()))
    }
    expect(await stay(10)).toBe(100)
    expect(await stay(4999)).toBe(200)
    expect(engine.attempt).toBe(2)
    expect(await stay(5000)).toBe(100)
    expect(await stay(0)).toBe(200)
  })

  test('counts attempts from 1 again after a connection that was stable, and after an end of our own', async () => {
    const surroundings = new FakeSurroundings()
    const engine = surroundings.engine({ stableAfter: 5000 })
    const stay = async (ms: number, wanted = false): Promise<void> => {
      const connection = await engine.dial()
      await surroundings.clock.advance(ms)
      if (wanted) void connection.close()
      else connection.end()
      const error = engine.ended(await connection.closed)
      if (!wanted) await engine.judge(error)
    }
    await stay(10)
    await stay(5000)
    await stay(10)
    await stay(10, true)
    await stay(0)
    expect(surroundings.attempts.map(({ number, error }) => [number, error !== undefined])).toEqual([
      [1, false],
      [2, true],
      [1, true],
      [2, true],
      [1, false],
    ])
  })

  test('lets other things happen between attempts without a delay', async () => {
    const surroundings = new FakeSurroundings()
    let isOver = false
    const waiting = surroundings
      .engine({ backoff: 0 })
      .wait(0, 'why')
      .then(() => {
        isOver = true
      })
    await new Promise((resolve) => setImmediate(resolve))
    expect(isOver).toBe(false)
    await surroundings.clock.advance(0)
    await waiting
  })

  test('does not wait for shouldRetry once aborted', async () => {
    const aborter = new AbortController()
    const engine = new FakeSurroundings().engine({ shouldRetry: () => new Promise(() => {}) }, aborter.signal)
    const judging = engine.judge('error')
    aborter.abort('enough')
    await expect(judging).rejects.toBe('enough')
    await expect(engine.judge('error')).rejects.toBe('enough')
  })

  test('closes a connection that came although it was aborted, and does not call it open', async () => {
    const surroundings = new FakeSurroundings()
    const aborter = new AbortController()
    const engine = surroundings.engine({}, aborter.signal)
    const dialling = engine.dial()
    aborter.abort('enough')
    engine.finish()
    await expect(dialling).rejects.toBe('enough')
    expect(await surroundings.connections[0]!.closed).toMatchObject({ code: 1000 })
    expect(engine.status.last).toMatchObject({ state: 'closed' })
  })

  test('takes the end from when it was, not from when it is told', async () => {
    const surroundings = new FakeSurroundings()
    const { clock } = surroundings
    const engine = surroundings.engine({ stableAfter: 5000, backoff: () => [100, 200, 300] })
    for (const delay of [100, 200]) {
      const connection = await engine.dial()
      connection.end()
      const info = await connection.closed
      await clock.advance(10_000)
      expect(await engine.judge(engine.ended(info))).toBe(delay)
    }
    await engine.dial()
    expect(engine.downtime).toBe(10_000)
  })

  test('tells how long there was no connection', async () => {
    const surroundings = new FakeSurroundings()
    const engine = surroundings.engine()
    await engine.dial()
    engine.ended(closeInfo())
    await surroundings.clock.advance(1234)
    await engine.dial()
    expect(engine.downtime).toBe(1234)
    expect(engine.status.last).toMatchObject({ state: 'open', downtime: 1234 })
  })

  test('tells an end that was wanted from one that was not', () => {
    const engine = new FakeSurroundings().engine()
    expect(engine.isWanted(closeInfo({ initiator: 'local', code: 1000 }))).toBe(true)
    expect(engine.isWanted(closeInfo({ initiator: 'local', code: 1011, error: new Error('no pong') }))).toBe(
      false,
    )
    expect(engine.isWanted(closeInfo({ initiator: 'remote', code: 1000 }))).toBe(false)
    const old = closeInfo({ initiator: 'local', code: 1001, facts: { ...NO_FACTS, limit: 'maxLifetime' } })
    expect(engine.isWanted(old)).toBe(false)
    expect(engine.ended(closeInfo())).toBeInstanceOf(ConnectionClosedError)
  })

  test('stops at once when aborted: before dialling, and while it waits', async () => {
    const surroundings = new FakeSurroundings()
    const aborter = new AbortController()
    const engine = surroundings.engine({}, aborter.signal)
    const waiting = engine.wait(10_000, undefined)
    aborter.abort('enough')
    await expect(waiting).rejects.toBe('enough')
    await expect(engine.dial()).rejects.toBe('enough')
    await expect(engine.wait(10, undefined)).rejects.toBe('enough')
    expect(surroundings.attempts).toEqual([])
    expect(surroundings.sleepers.size).toBe(0)
  })

  test('tells what the ends have in common', async () => {
    const surroundings = new FakeSurroundings()
    const engine = surroundings.engine()
    for (let end = 0; end < 2; end++) {
      await engine.dial()
      engine.ended(
        closeInfo({ facts: { ...NO_FACTS, openFor: 90_000, sinceReceived: 60_000, sinceSent: 60_000 } }),
      )
    }
    expect(engine.pattern).toMatch(/^silent for .* twice in a row: probably a proxy's idle limit/)
    void engine.wait(10, 'why')
    expect(engine.status.last).toMatchObject({ state: 'waiting', pattern: engine.pattern })
  })

  test('says that it is over, and how the last connection ended', async () => {
    const engine = new FakeSurroundings().engine()
    const info = closeInfo()
    await engine.dial()
    engine.ended(info)
    engine.finish('why')
    expect(engine.status.last).toEqual({ state: 'closed', error: 'why', info })
  })
})

describe('Reconnector, after the machine has slept,', () => {
  test('does not wait any longer', async () => {
    const surroundings = new FakeSurroundings()
    const waiting = surroundings.engine().wait(60_000, undefined)
    surroundings.wake()
    await waiting
    expect(surroundings.sleepers.size).toBe(0)
  })

  test('still leaves the server alone for as long as it asked, less the time asleep', async () => {
    const surroundings = new FakeSurroundings()
    const { clock } = surroundings
    const error = new HandshakeRejectedError({
      status: 429,
      statusText: '',
      headers: { 'retry-after': '60' },
      body: '',
    })
    let isOver = false
    const waiting = surroundings
      .engine()
      .wait(61_000, error)
      .then(() => {
        isOver = true
      })
    clock.sleep(20_000)
    surroundings.wake()
    await clock.advance(40_999)
    expect(isOver).toBe(false)
    // A clock that was set back does not make it longer.
    clock.sleep(-50_000)
    surroundings.wake()
    await clock.advance(51_001)
    expect(isOver).toBe(true)
    await waiting
    const long = surroundings.engine().wait(61_000, error)
    clock.sleep(61_000)
    surroundings.wake()
    await long
    expect(surroundings.sleepers.size).toBe(0)
  })

  test('tries again at once when an attempt failed that slept too, but not sooner than the server says', async () => {
    const surroundings = new FakeSurroundings()
    const fail: ((error: unknown) => void)[] = []
    surroundings.dial = () => new Promise((_resolve, reject) => fail.push(reject))
    const engine = surroundings.engine()
    const attempt = async (error: unknown, isAwakened: boolean): Promise<number | undefined> => {
      const dialling = engine.dial().catch((error: unknown) => error)
      if (isAwakened) surroundings.wake()
      fail.pop()!(error)
      return engine.judge(await dialling)
    }
    expect(await attempt(refused(), true)).toBe(0)
    expect(await attempt(refused(), false)).toBe(100)
    const headers = { 'retry-after': '7' }
    const busy = new HandshakeRejectedError({ status: 503, statusText: '', headers, body: '' })
    expect(await attempt(busy, true)).toBe(7000)
    expect(surroundings.sleepers.size).toBe(0)
  })

  async function slept(probe: FakeSurroundings['probe']): Promise<{
    surroundings: FakeSurroundings
    engine: ReturnType<FakeSurroundings['engine']>
    connection: FakeConnection
  }> {
    const surroundings = new FakeSurroundings()
    surroundings.probe = probe
    const engine = surroundings.engine()
    const connection = await engine.dial()
    surroundings.wake()
    surroundings.wake()
    return { surroundings, engine, connection }
  }

  test('keeps a connection whose peer answers', async () => {
    const probe = vi.fn(async () => {})
    const { surroundings, connection } = await slept(probe)
    await surroundings.clock.advance(60_000)
    expect(probe).toHaveBeenCalledTimes(1)
    connection.end({ code: 1000, diagnosis: 'as it was' })
    expect((await connection.closed).diagnosis).toBe('as it was')
  })

  test('drops one whose peer does not answer within 3 s, and tries again at once', async () => {
    const { surroundings, engine, connection } = await slept(
      (_connection, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
        }),
    )
    await surroundings.clock.advance(2999)
    expect(await Promise.race([connection.closed, 'open'])).toBe('open')
    await surroundings.clock.advance(1)
    const info = await connection.closed
    expect(engine.isWanted(info)).toBe(false)
    expect(await engine.judge(engine.ended(info))).toBe(0)
    // Only that one time.
    expect(await engine.judge(refused())).toBe(100)
  })

  test('does not blame the peer when our own loop was blocked meanwhile', async () => {
    let answer!: (value: unknown) => void
    const aborted = vi.fn()
    const { surroundings, connection } = await slept(
      (_connection, signal) =>
        new Promise((resolve) => {
          answer = resolve
          signal.addEventListener('abort', aborted)
        }),
    )
    await surroundings.clock.jump(10_000)
    expect(aborted).not.toHaveBeenCalled()
    answer(undefined)
    await surroundings.clock.advance(10_000)
    expect(aborted).not.toHaveBeenCalled()
    expect(await Promise.race([connection.closed, 'open'])).toBe('open')
  })

  test('does not touch a connection that has ended', async () => {
    let fail!: (error: Error) => void
    const { engine, connection } = await slept(
      () =>
        new Promise((_resolve, reject) => {
          fail = reject
        }),
    )
    connection.end({ code: 1001 })
    const info = await connection.closed
    await Promise.resolve()
    fail(new Error('closed'))
    await new Promise((resolve) => setImmediate(resolve))
    expect(await engine.judge(engine.ended(info))).toBe(100)
  })
})

test('reports facts in order through a whole life', async () => {
  const surroundings = new FakeSurroundings()
  surroundings.script = [refused()]
  const engine = surroundings.engine()
  const facts: ReconnectStatus<FakeConnection>['state'][] = []
  const reading = (async () => {
    for await (const { state } of engine.status.read()) facts.push(state)
  })()
  const error = await engine.dial().catch((error: unknown) => error)
  const delay = await engine.judge(error)
  const waiting = engine.wait(delay!, error)
  await surroundings.clock.advance(100)
  await waiting
  const connection = await engine.dial()
  connection.end()
  engine.ended(await connection.closed)
  engine.finish()
  await reading
  expect(facts).toEqual(['connecting', 'waiting', 'connecting', 'open', 'closed'])
})
