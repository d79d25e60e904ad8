import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { WebSocketTimeoutError } from '../../src/errors.ts'
import {
  type Attempt,
  type AttemptOptions,
  connectOnce,
  type PerAttempt,
} from '../../src/reconnect/attempt.ts'
import { MemoryNetwork } from './support.ts'

const aborter = new AbortController()
const attempt: Attempt = { number: 3, error: 'why', signal: aborter.signal }

async function dial(
  url: PerAttempt<string | URL>,
  options: AttemptOptions = {},
  network = new MemoryNetwork(),
): Promise<MemoryNetwork> {
  await connectOnce(network.connect, network.clock, url, options, attempt)
  return network
}

describe('connectOnce', () => {
  test('passes on what is no function', async () => {
    const { dialled } = await dial('ws://x/', {
      headers: { a: 'b' },
      subprotocols: ['chat'],
      pingInterval: 5,
    })
    expect(dialled).toEqual([
      {
        url: 'ws://x/',
        options: {
          headers: { a: 'b' },
          subprotocols: ['chat'],
          pingInterval: 5,
          openTimeout: 10_000,
          signal: expect.any(AbortSignal),
        },
      },
    ])
  })

  test('asks functions, with all that is known', async () => {
    const url = vi.fn(async () => new URL('ws://y/'))
    const headers = vi.fn(() => ({ authorization: 'Bearer new' }))
    const subprotocols = vi.fn(async () => ['a', 'b'])
    const credentials = vi.fn(async () => ({ token: 'new' }))
    const { dialled } = await dial(url, { credentials, headers, subprotocols })
    expect(dialled[0]).toMatchObject({
      url: new URL('ws://y/'),
      options: {
        credentials: { token: 'new' },
        headers: { authorization: 'Bearer new' },
        subprotocols: ['a', 'b'],
      },
    })
    for (const asked of [url, credentials, headers, subprotocols])
      expect(asked).toHaveBeenCalledExactlyOnceWith({ ...attempt, signal: expect.any(AbortSignal) })
  })

  test('leaves out what a function does not give', async () => {
    const { dialled } = await dial('ws://x/', { headers: () => undefined })
    expect(dialled[0]!.options).not.toHaveProperty('headers')
  })

  test('rejects with what a function throws', async () => {
    const failing = (): never => {
      throw new Error('no token')
    }
    await expect(dial(failing)).rejects.toThrow('no token')
    await expect(dial('ws://x/', { headers: async () => failing() })).rejects.toThrow('no token')
  })

  test('lets no promise of the others go unheard when one throws at once', async () => {
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    onTestFinished(() => void process.off('unhandledRejection', unhandled))
    const url = async (): Promise<string> => {
      throw new Error('no address')
    }
    const headers = (): never => {
      throw new Error('no token')
    }
    await expect(dial(url, { headers })).rejects.toThrow()
    await new Promise((resolve) => setImmediate(resolve))
    expect(unhandled).not.toHaveBeenCalled()
  })

  test('tells the functions by their signal that nobody waits any more', async () => {
    const network = new MemoryNetwork()
    const signals: AbortSignal[] = []
    const never = ({ signal }: Attempt): Promise<never> => {
      signals.push(signal)
      return new Promise(() => {})
    }
    const late = dial(never, { openTimeout: 1000 }, network).catch(() => {})
    await network.clock.advance(1000)
    await late
    const failing = async (): Promise<never> => {
      throw new Error('no token')
    }
    await dial(never, { headers: failing }, network).catch(() => {})
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
    let kept: AbortSignal | undefined
    await dial(({ signal }) => {
      kept = signal
      return 'ws://x/'
    })
    expect(kept!.aborted).toBe(false)
    expect(aborter.signal.aborted).toBe(false)
  })

  test('leaves nothing on the signal of the run', async () => {
    const { signal } = new AbortController()
    const added = vi.spyOn(signal, 'addEventListener')
    const removed = vi.spyOn(signal, 'removeEventListener')
    const network = new MemoryNetwork()
    await connectOnce(network.connect, network.clock, () => 'ws://x/', {}, { ...attempt, signal })
    network.script = [new Error('refused')]
    await connectOnce(network.connect, network.clock, 'ws://x/', {}, { ...attempt, signal }).catch(() => {})
    expect(added).toHaveBeenCalled()
    expect(removed.mock.calls).toEqual(added.mock.calls)
  })

  test('refuses to wait for ever, as connect() does', async () => {
    const openTimeout = false as never
    await expect(dial('ws://x/', { openTimeout })).rejects.toThrow('openTimeout must be a number of ms')
    await expect(dial('ws://x/', { openTimeout: -1 })).rejects.toThrow(RangeError)
  })

  test('counts the time that functions take', async () => {
    const network = new MemoryNetwork()
    let give!: (url: string) => void
    const url = (): Promise<string> =>
      new Promise((resolve) => {
        give = resolve
      })
    const dialling = dial(url, { openTimeout: 1000 }, network)
    await network.clock.advance(400)
    give('ws://x/')
    await dialling
    expect(network.dialled[0]!.options.openTimeout).toBe(600)
  })

  test('does not wait longer than openTimeout for them', async () => {
    const network = new MemoryNetwork()
    const dialling = dial(() => new Promise<string>(() => {}), { openTimeout: 1000 }, network)
    const outcome = expect(dialling).rejects.toEqual(new WebSocketTimeoutError('open', 1000))
    await network.clock.advance(1000)
    await outcome
    expect(network.dialled).toEqual([])
  })

  test('stops waiting for them when aborted', async () => {
    const network = new MemoryNetwork()
    const stop = new AbortController()
    const never = (): Promise<string> => new Promise(() => {})
    const dialling = connectOnce(
      network.connect,
      network.clock,
      never,
      {},
      { ...attempt, signal: stop.signal },
    )
    stop.abort('enough')
    await expect(dialling).rejects.toBe('enough')
    const late = connectOnce(network.connect, network.clock, never, {}, { ...attempt, signal: stop.signal })
    await expect(late).rejects.toBe('enough')
  })
})
