import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { StateError } from '../../src/errors.ts'
import { EventLoop, getEventLoop } from '../../src/event-loop/event-loop.ts'

const never = new Promise<never>(() => {})

function listeners(): number {
  return process.listenerCount('SIGINT') + process.listenerCount('SIGTERM')
}

describe('runUntilComplete', () => {
  test('gives the result of a promise, and of a function that makes one', async () => {
    const loop = new EventLoop()
    expect(await loop.runUntilComplete(Promise.resolve(5))).toBe(5)
    expect(await loop.runUntilComplete(async () => 'made')).toBe('made')
  })

  test('rejects with what the work rejects with, or throws', async () => {
    const loop = new EventLoop()
    const error = new Error('failed')
    await expect(loop.runUntilComplete(Promise.reject(error))).rejects.toBe(error)
    const throwing = (): Promise<void> => {
      throw error
    }
    await expect(loop.runUntilComplete(throwing)).rejects.toBe(error)
    expect(loop.isRunning).toBe(false)
  })

  test('rejects when it is stopped before', async () => {
    const loop = new EventLoop()
    const run = loop.runUntilComplete(never)
    expect(loop.isRunning).toBe(true)
    loop.stop()
    await expect(run).rejects.toThrow(new StateError('WS_LOOP_STOPPED'))
    expect(loop.isRunning).toBe(false)
  })

  test('lets nothing go unhandled when the work fails after the stop', async () => {
    const unhandled: unknown[] = []
    const listener = (reason: unknown): void => {
      unhandled.push(reason)
    }
    process.on('unhandledRejection', listener)
    try {
      const loop = new EventLoop()
      let fail!: (error: Error) => void
      const run = loop.runUntilComplete(
        new Promise<void>((_, reject) => {
          fail = reject
        }),
      )
      loop.stop()
      await expect(run).rejects.toMatchObject({ code: 'WS_LOOP_STOPPED' })
      fail(new Error('too late'))
      await loop.runUntilComplete(new Promise((resolve) => setImmediate(resolve)))
      expect(unhandled).toEqual([])
    } finally {
      process.off('unhandledRejection', listener)
    }
  })

  test('can be called again', async () => {
    const loop = new EventLoop()
    for (const result of [1, 2, 3]) expect(await loop.runUntilComplete(async () => result)).toBe(result)
  })

  test('leaves no listener behind', async () => {
    const before = listeners()
    const loop = new EventLoop()
    const run = loop.runUntilComplete(never)
    expect(listeners()).toBe(before + 2)
    loop.stop()
    await expect(run).rejects.toThrow(StateError)
    await loop.runUntilComplete(async () => {})
    expect(listeners()).toBe(before)
  })
})

describe('runForever', () => {
  test('runs until it is stopped', async () => {
    const loop = new EventLoop()
    const run = loop.runForever()
    expect(loop.isRunning).toBe(true)
    setImmediate(() => loop.stop())
    await run
    expect(loop.isRunning).toBe(false)
  })

  test('is stopped by a signal', async () => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const loop = new EventLoop()
      const run = loop.runForever()
      process.emit(signal)
      await run
      expect(loop.isRunning).toBe(false)
    }
  })
})

describe('a loop that runs', () => {
  test('refuses to run twice, starts no second work, and goes on with the first', async () => {
    const loop = new EventLoop()
    const run = loop.runForever()
    let started = false
    const work = async (): Promise<void> => {
      started = true
    }
    await expect(loop.runUntilComplete(work)).rejects.toThrow(new StateError('WS_LOOP_RUNNING'))
    await expect(loop.runForever()).rejects.toThrow(new StateError('WS_LOOP_RUNNING'))
    expect(started).toBe(false)
    expect(loop.isRunning).toBe(true)
    loop.stop()
    await run
  })

  test('cannot be closed', async () => {
    const loop = new EventLoop()
    const run = loop.runForever()
    expect(() => loop.close()).toThrow(new StateError('WS_LOOP_RUNNING'))
    expect(loop.isClosed).toBe(false)
    loop.stop()
    await run
    loop.close()
    expect(loop.isClosed).toBe(true)
  })
})

describe('a loop that does not run', () => {
  test('does nothing when it is stopped', () => {
    new EventLoop().stop()
  })

  test('cannot run once it is closed, and starts no work', async () => {
    const loop = new EventLoop()
    loop.close()
    loop.close()
    let started = false
    const work = async (): Promise<void> => {
      started = true
    }
    await expect(loop.runUntilComplete(work)).rejects.toThrow(new StateError('WS_LOOP_CLOSED'))
    await expect(loop.runUntilComplete(Promise.resolve(5))).rejects.toMatchObject({ code: 'WS_LOOP_CLOSED' })
    await expect(loop.runForever()).rejects.toThrow(new StateError('WS_LOOP_CLOSED'))
    expect(started).toBe(false)
  })
})

describe('getEventLoop', () => {
  test('gives one loop to all, until it is closed', () => {
    const loop = getEventLoop()
    expect(getEventLoop()).toBe(loop)
    loop.close()
    const next = getEventLoop()
    expect(next).not.toBe(loop)
    expect(next.isClosed).toBe(false)
    expect(getEventLoop()).toBe(next)
  })
})

describe('a process', () => {
  let child: ChildProcess | undefined
  afterEach(() => {
    child?.kill('SIGKILL')
    child = undefined
  })

  const module = new URL('../../src/event-loop/event-loop.ts', import.meta.url)
  const cwd = fileURLToPath(new URL('../..', import.meta.url))

  /** Run a program; return what it wrote once it has ended, and how it ended. */
  async function run(
    program: string,
    signals: readonly NodeJS.Signals[],
  ): Promise<[string, unknown, unknown]> {
    const text = `import { getEventLoop } from ${JSON.stringify(module)}\n${program}`
    child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', text], {
      cwd,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
      // One signal for each line.
      const signal = signals[output.split('\n').length - 2]
      if (signal !== undefined) child?.kill(signal)
    })
    const [code, signal] = await once(child, 'close')
    return [output, code, signal]
  }

  test.each(['SIGINT', 'SIGTERM'] as const)(
    'ends gracefully on %s while it runs for ever',
    async (signal) => {
      const program = `
      const run = getEventLoop().runForever()
      console.log('running')
      await run
      console.log('cleaned up')`
      expect(await run(program, [signal])).toEqual(['running\ncleaned up\n', 0, null])
    },
  )

  test.each(['SIGINT', 'SIGTERM'] as const)('hears of %s before its work is done', async (signal) => {
    const program = `
      const run = getEventLoop().runUntilComplete(new Promise(() => {}))
      console.log('running')
      await run.catch((error) => console.log(error.code))`
    expect(await run(program, [signal])).toEqual(['running\nWS_LOOP_STOPPED\n', 0, null])
  })

  test('is ended by a second signal at once', async () => {
    const program = `
      const run = getEventLoop().runForever()
      console.log('running')
      await run
      console.log('cleaning up')
      await new Promise((resolve) => setInterval(resolve, 2 ** 31 - 1))`
    const ending = await run(program, ['SIGINT', 'SIGINT'])
    expect(ending).toEqual(['running\ncleaning up\n', null, 'SIGINT'])
  })

  test('is kept alive by work that has nothing else to keep it', async () => {
    const program = `
      const work = new Promise((resolve) => setTimeout(() => resolve('done'), 50).unref())
      console.log(await getEventLoop().runUntilComplete(work))`
    expect(await run(program, [])).toEqual(['done\n', 0, null])
  })
})
