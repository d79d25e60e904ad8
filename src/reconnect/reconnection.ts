// One connection after the other, as an async iterable: Python's `async for websocket in connect(…)`.

import { follow } from '../checks.ts'
import type { Connection } from '../connection/connection.ts'
import { StateError } from '../errors.ts'
import type { Reconnector } from './reconnector.ts'
import type { ReconnectStatus } from './status.ts'

const DONE: IteratorReturnResult<undefined> = { value: undefined, done: true }

/** Iterate over connections to one place; made by `reconnect()`. */
export class Reconnection<Data = unknown>
  implements AsyncIterableIterator<Connection<Data>, undefined>, AsyncDisposable
{
  readonly #reconnector: Reconnector<Connection<Data>>
  readonly #aborter: AbortController
  #connection: Connection<Data> | undefined
  readonly #unfollow: () => void
  #isBusy = false
  #isDone = false

  /** @internal */
  constructor(
    reconnector: Reconnector<Connection<Data>>,
    aborter: AbortController,
    signal: AbortSignal | undefined,
  ) {
    this.#reconnector = reconnector
    this.#aborter = aborter
    this.#unfollow = follow(signal, (reason) => {
      aborter.abort(reason)
      void this.#connection?.close()
    })
  }

  /** Iterate over what happens: the last fact, and those that come, until `closed`. */
  status(): AsyncIterableIterator<ReconnectStatus<Connection<Data>>, undefined> {
    return this.#reconnector.status.read()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /**
   * Close the connection of before with 1000, if it is open, and wait for the next one. Rejects with what could not be
   * overcome, and with the signal's reason.
   */
  async next(): Promise<IteratorResult<Connection<Data>, undefined>> {
    if (this.#isBusy) throw new StateError('WS_CONCURRENT_NEXT')
    if (this.#isDone) return DONE
    this.#isBusy = true
    try {
      await this.#settlePrevious()
      const connection = await this.#open()
      this.#connection = connection
      return { value: connection, done: false }
    } catch (error) {
      if (this.#isDone) return DONE
      this.#end(error)
      throw error
    } finally {
      this.#isBusy = false
    }
  }

  /** Leave: close the connection with 1000 and make no other. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    const connection = this.#connection
    if (!this.#isDone) {
      this.#isDone = true
      this.#aborter.abort(LEFT)
      await connection?.close()
      this.#end(undefined)
    }
    return DONE
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  async #settlePrevious(): Promise<void> {
    const connection = this.#connection
    if (connection === undefined) return
    this.#connection = undefined
    const info = await connection.close()
    const error = this.#reconnector.ended(info)
    if (!this.#reconnector.isWanted(info)) await this.#recover(error)
  }

  async #open(): Promise<Connection<Data>> {
    for (;;) {
      try {
        return await this.#reconnector.dial()
      } catch (error) {
        await this.#recover(error)
      }
    }
  }

  /** Wait until another attempt makes sense; reject with the error when none does. */
  async #recover(error: unknown): Promise<void> {
    const delay = await this.#reconnector.judge(error)
    if (delay === undefined) throw error
    await this.#reconnector.wait(delay, error)
  }

  #end(error: unknown): void {
    this.#isDone = true
    this.#unfollow()
    this.#connection = undefined
    this.#reconnector.finish(error)
  }
}

/** The reason with which leaving a loop stops dialling; nobody gets to see it. */
const LEFT = Symbol('left')
