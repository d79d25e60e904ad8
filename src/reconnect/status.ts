// Where a client that stays is: facts, as they become true.

import type { CloseInfo } from '../protocol/close-code.ts'

/** Tell where a client that stays is. */
export type ReconnectStatus<Connection = unknown> =
  | {
      readonly state: 'connecting'
      /** 1 for the first, and for the first after a connection that was stable. */
      readonly attempt: number
    }
  | {
      readonly state: 'open'
      readonly connection: Connection
      /** The number of the attempt that brought it. */
      readonly attempt: number
      /** ms since the last connection ended; `undefined` for the first. */
      readonly downtime: number | undefined
    }
  | {
      readonly state: 'waiting'
      /** The number of the next attempt. */
      readonly attempt: number
      /** ms until then, and when that is. */
      readonly delay: number
      readonly until: Date
      /** Why there is no connection. */
      readonly error: unknown
      /** What the last connections' ends have in common, in words: where to look when they end again and again. */
      readonly pattern: string | undefined
    }
  | {
      readonly state: 'closed'
      /** What could not be overcome; `undefined` when the end was wanted. */
      readonly error: unknown
      /** How the last connection ended, if there was one. */
      readonly info: CloseInfo | undefined
    }

/** Somebody who reads. */
interface Reader {
  isLeft: boolean
  /** Tell it that there is a fact, or that it has left. */
  wake(): void
}

/** Facts that may wait for a reader; when it does not come, the oldest are the least interesting. */
const MOST_WAITING = 64

/** Give facts to any number of readers, each at its own pace. */
export class StatusFeed<Connection> {
  #last: ReconnectStatus<Connection> | undefined
  readonly #readers = new Set<(status: ReconnectStatus<Connection>) => void>()

  /** The last fact; `undefined` before the first. */
  get last(): ReconnectStatus<Connection> | undefined {
    return this.#last
  }

  report(status: ReconnectStatus<Connection>): void {
    this.#last = status
    for (const read of [...this.#readers]) read(status)
  }

  /** Iterate over the last fact, unless only new ones are wanted, and those that come, until `closed`. */
  read(onlyNew = false): AsyncIterableIterator<ReconnectStatus<Connection>, undefined> {
    const reader: Reader = { isLeft: false, wake() {} }
    const facts = this.#read(reader, onlyNew)
    return {
      [Symbol.asyncIterator]() {
        return this
      },
      next: () => facts.next(),
      return() {
        // A generator that waits would hear of it after the next fact, which may never come.
        reader.isLeft = true
        reader.wake()
        return facts.return(undefined)
      },
    }
  }

  async *#read(reader: Reader, onlyNew: boolean): AsyncGenerator<ReconnectStatus<Connection>, undefined> {
    const waiting: ReconnectStatus<Connection>[] = onlyNew || this.#last === undefined ? [] : [this.#last]
    const take = (status: ReconnectStatus<Connection>): void => {
      if (waiting.length === MOST_WAITING) waiting.shift()
      waiting.push(status)
      reader.wake()
    }
    this.#readers.add(take)
    try {
      while (!reader.isLeft) {
        const status = waiting.shift()
        if (status === undefined) {
          await new Promise<void>((resolve) => {
            reader.wake = resolve
          })
          continue
        }
        yield status
        if (status.state === 'closed') return
      }
    } finally {
      this.#readers.delete(take)
    }
  }
}
