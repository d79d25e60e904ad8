// The life of a program on Node's own loop, in the terms of Python's asyncio: run until something is done, or
// for ever, and stop gracefully on Ctrl-C.

import { StateError } from '../errors.ts'

const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const
// A timer keeps the process alive; this is the longest that Node has.
const FOREVER = 2 ** 31 - 1

/** Run a program; made by `getEventLoop`. */
export class EventLoop {
  #isClosed = false
  #stop: (() => void) | undefined

  /** True while `runUntilComplete` or `runForever` is under way. Answers to `loop.is_running()`. */
  get isRunning(): boolean {
    return this.#stop !== undefined
  }

  /** True after `close()`. Answers to `loop.is_closed()`. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /**
   * Run until the promise is settled, or the promise that the function returns, and give its result. Keeps the
   * process alive meanwhile. When stopped before, by `stop()`, SIGINT or SIGTERM, rejects with StateError
   * `WS_LOOP_STOPPED`. Rejects with StateError when the loop is running or closed. Answers to
   * `loop.run_until_complete(future)`.
   */
  async runUntilComplete<Result>(work: PromiseLike<Result> | (() => PromiseLike<Result>)): Promise<Result> {
    const stopped = this.#start()
    try {
      const pending = typeof work === 'function' ? work() : work
      const end = stopped.then(() => {
        throw new StateError('WS_LOOP_STOPPED')
      })
      return await Promise.race([pending, end])
    } finally {
      this.stop()
    }
  }

  /**
   * Run until `stop()` is called, or SIGINT or SIGTERM comes. Keeps the process alive meanwhile. Rejects with
   * StateError when the loop is running or closed. Answers to `loop.run_forever()`.
   */
  async runForever(): Promise<void> {
    await this.#start()
  }

  /** Stop running; whoever waits for it goes on. Does nothing when the loop does not run. Answers to `loop.stop()`. */
  stop(): void {
    this.#stop?.()
  }

  /**
   * Close the loop: it cannot run again, and `getEventLoop` makes another. Throws StateError while it runs. Answers
   * to `loop.close()`.
   */
  close(): void {
    if (this.isRunning) throw new StateError('WS_LOOP_RUNNING')
    this.#isClosed = true
  }

  /** Begin to run; resolves when stopped. Throw StateError when that is not possible. */
  #start(): Promise<void> {
    if (this.#isClosed) throw new StateError('WS_LOOP_CLOSED')
    if (this.isRunning) throw new StateError('WS_LOOP_RUNNING')
    return new Promise((resolve) => {
      const keepAlive = setInterval(() => {}, FOREVER)
      const stop = (): void => {
        this.#stop = undefined
        clearInterval(keepAlive)
        // A second Ctrl-C ends the process at once, as ever.
        for (const signal of STOP_SIGNALS) process.off(signal, stop)
        resolve()
      }
      for (const signal of STOP_SIGNALS) process.on(signal, stop)
      this.#stop = stop
    })
  }
}

let current: EventLoop | undefined

/** Get the event loop of this process; a new one if the last was closed. Answers to `asyncio.get_event_loop()`. */
export function getEventLoop(): EventLoop {
  if (current === undefined || current.isClosed) current = new EventLoop()
  return current
}
