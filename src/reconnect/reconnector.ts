// The engine of a client that stays: attempts, the judgement of failures, and the waiting in between. It knows neither
// sockets nor WebSockets: how to dial is an argument.

import { follow, LONGEST_DELAY } from '../checks.ts'
import { ConnectionClosedError } from '../errors.ts'
import type { CloseInfo } from '../protocol/close-code.ts'
import type { Clock } from '../timing/clock.ts'
import type { WakeUps } from '../timing/sleep-watch.ts'
import type { Attempt } from './attempt.ts'
import { type ConnectionEnd, describeClosePattern, summariseEnd } from './close-pattern.ts'
import type { ResolvedRetryOptions } from './options.ts'
import { StatusFeed } from './status.ts'
import { retryAfterOf } from './transient.ts'
import { untilAborted } from './until-aborted.ts'

/** What the engine needs of a connection. */
export interface Reconnectable {
  readonly closed: Promise<CloseInfo>
  close(): Promise<CloseInfo>
  terminate(): void
}

/** What surrounds the engine. */
export interface Surroundings<Connection> {
  readonly clock: Clock
  readonly wakeUps: WakeUps
  dial(attempt: Attempt): Promise<Connection>
  /** Resolve when the peer has shown that it lives, reject when it has not. */
  probe(connection: Connection, signal: AbortSignal): Promise<unknown>
}

/** Time for the peer to show that it lives after we slept, in ms. */
const PROBE_TIME = 3000

/** Keep one connection at a time. */
export class Reconnector<Connection extends Reconnectable> {
  readonly status: StatusFeed<Connection>
  readonly #surroundings: Surroundings<Connection>
  readonly #options: ResolvedRetryOptions
  readonly #signal: AbortSignal
  #delays: Iterator<number> | undefined
  /** In a row: since the beginning, or a connection that was stable. */
  #failures = 0
  /** Since then too. */
  #attempts = 0
  #downtime: number | undefined
  #error: unknown
  /** How the last connection ended. */
  #info: CloseInfo | undefined
  /** The last few ends, the oldest first. */
  readonly #ends: ConnectionEnd[] = []
  #openedAt = 0
  #endedAt: number | undefined
  #closedAt: number | undefined
  /** We slept, and the connection or the attempt did not survive it: the next attempt need not wait. */
  #isLost = false

  /** The signal ends everything: dialling, waiting and what comes after. */
  constructor(
    surroundings: Surroundings<Connection>,
    options: ResolvedRetryOptions,
    signal: AbortSignal,
    status: StatusFeed<Connection> = new StatusFeed(),
  ) {
    this.status = status
    this.#surroundings = surroundings
    this.#options = options
    this.#signal = signal
  }

  /** The number of the attempt that is under way, or was last: 1 for the first, and after a stable connection. */
  get attempt(): number {
    return this.#attempts
  }

  /** ms between the last connection's end and this one's opening; `undefined` for the first. */
  get downtime(): number | undefined {
    return this.#downtime
  }

  /** Dial once. Rejects as the dial function does, and with the signal's reason. */
  async dial(): Promise<Connection> {
    this.#signal.throwIfAborted()
    const attempt = ++this.#attempts
    this.status.report({ state: 'connecting', attempt })
    const connection = await this.#dial({ number: attempt, error: this.#error, signal: this.#signal })
    // Aborted since it was open: whoever gave up will not look after it.
    if (this.#signal.aborted) {
      await connection.close()
      throw this.#signal.reason
    }
    this.#openedAt = this.#surroundings.clock.now()
    this.#endedAt = undefined
    this.#isLost = false
    this.#downtime = this.#closedAt === undefined ? undefined : this.#openedAt - this.#closedAt
    this.status.report({ state: 'open', connection, attempt, downtime: this.#downtime })
    this.#watchSleep(connection)
    return connection
  }

  /** Take note of how a connection ended. Gives the error that says so, for `judge`. */
  ended(info: CloseInfo): ConnectionClosedError {
    // The end may be told late: whoever held the connection may have had other things to do.
    const endedAt = this.#endedAt ?? this.#surroundings.clock.now()
    this.#info = info
    this.#ends.push(summariseEnd(info))
    if (this.#ends.length > MOST_ENDS) this.#ends.shift()
    this.#closedAt = endedAt
    const isWanted = this.isWanted(info)
    if (isWanted) this.#error = undefined
    // After an end of our own the next attempt is the first of its kind.
    if (isWanted || this.#isLost || endedAt - this.#openedAt >= this.#options.stableAfter) {
      this.#failures = 0
      this.#attempts = 0
      this.#delays = undefined
    }
    return new ConnectionClosedError(info)
  }

  /** Tell whether this program ended the connection on purpose: nothing had broken it, and it was not merely too old. */
  isWanted(info: CloseInfo): boolean {
    const { initiator, error, facts } = info
    return initiator === 'local' && error === undefined && facts?.limit !== 'maxLifetime' && !this.#isLost
  }

  /** What the last ends have in common, in words for a person; `undefined` when that is nothing. */
  get pattern(): string | undefined {
    return describeClosePattern(this.#ends)
  }

  /**
   * Judge a failure: give the delay before the next attempt, in ms, or `undefined` to give up. Rejects with the signal's
   * reason, and with what `shouldRetry` and `backoff` throw.
   */
  async judge(error: unknown): Promise<number | undefined> {
    this.#signal.throwIfAborted()
    this.#error = error
    this.#failures++
    const { maxFailures, shouldRetry } = this.#options
    if (this.#failures >= maxFailures) return undefined
    if (!(await untilAborted(shouldRetry(error, this.#failures), this.#signal))) return undefined
    return this.#nextDelay(error)
  }

  /** Wait for the next attempt. Rejects with the signal's reason. */
  async wait(delay: number, error: unknown): Promise<void> {
    this.#signal.throwIfAborted()
    const until = new Date(this.#surroundings.clock.timeOfDay() + delay)
    this.status.report({
      state: 'waiting',
      attempt: this.#attempts + 1,
      delay,
      until,
      error,
      pattern: this.pattern,
    })
    // No delay is a wait too: attempts that fail at once would let nothing else happen.
    await this.#wait(delay, error)
  }

  /** It is over: `error` is what could not be overcome. */
  finish(error?: unknown): void {
    this.status.report({ state: 'closed', error, info: this.#info })
  }

  async #dial(attempt: Attempt): Promise<Connection> {
    const { wakeUps } = this.#surroundings
    let isAwakened = false
    const unsubscribe = wakeUps.subscribe(() => {
      isAwakened = true
    })
    try {
      return await this.#surroundings.dial(attempt)
    } catch (error) {
      if (isAwakened) this.#isLost = true
      throw error
    } finally {
      unsubscribe()
    }
  }

  #nextDelay(error: unknown): number {
    // What the server asks for comes first, and the clients that it told the same still spread.
    const asked = retryAfterOf(error, this.#surroundings.clock.timeOfDay())
    // What failed before we slept says nothing about now.
    if (this.#isLost) {
      this.#isLost = false
      return asked
    }
    this.#delays ??= this.#options.backoff()[Symbol.iterator]()
    const { value, done } = this.#delays.next()
    if (done) this.#delays = undefined
    // A series that has an end, or gives nonsense, must not turn into a tight loop.
    const delay = typeof value === 'number' && value >= 0 ? value : LAST_RESORT
    return Math.min(delay + asked, LONGEST_DELAY)
  }

  #wait(delay: number, error: unknown): Promise<void> {
    const { clock, wakeUps } = this.#surroundings
    const began = clock.timeOfDay()
    const isAskedFor = retryAfterOf(error, began) > 0
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        clock.clearTimeout(timer)
        unsubscribe()
        unfollow()
        settle()
      }
      // While it waits there is no socket that would keep the process alive.
      let timer = clock.setTimeout(() => end(resolve), delay, true)
      const unsubscribe = wakeUps.subscribe(() => {
        const left = Math.min(began + delay - clock.timeOfDay(), delay)
        if (!isAskedFor || left <= 0) {
          // Whatever failed before we slept is another world.
          end(resolve)
          return
        }
        // But what the server asked for holds, less the time asleep.
        clock.clearTimeout(timer)
        timer = clock.setTimeout(() => end(resolve), left, true)
      })
      const unfollow = follow(this.#signal, (reason) => end(() => reject(reason)))
    })
  }

  /** After a sleep the peer has to show that it is still there; else a heartbeat would need its whole time to notice. */
  #watchSleep(connection: Connection): void {
    const { clock, wakeUps } = this.#surroundings
    let isOpen = true
    let isProbing = false
    const unsubscribe = wakeUps.subscribe(() => {
      if (isProbing) return
      isProbing = true
      const aborter = new AbortController()
      const due = clock.now() + PROBE_TIME
      const giveUp = (): void => {
        // A loop that was blocked meanwhile is no fault of the peer's: what it sent may still lie unread.
        if (clock.now() - due > PROBE_TIME / 4) timer = clock.setTimeout(() => aborter.abort(), PROBE_TIME)
        else clock.afterInput(() => aborter.abort())
      }
      let timer = clock.setTimeout(giveUp, PROBE_TIME)
      const probed = (isAlive: boolean): void => {
        isProbing = false
        clock.clearTimeout(timer)
        if (isAlive || !isOpen) return
        this.#isLost = true
        connection.terminate()
      }
      this.#surroundings.probe(connection, aborter.signal).then(
        () => probed(true),
        () => probed(false),
      )
    })
    void connection.closed.then(() => {
      isOpen = false
      this.#endedAt = clock.now()
      unsubscribe()
    })
  }
}

/** So many ends are compared with each other. */
const MOST_ENDS = 4
/** For a series of delays that has come to its end, in ms. */
const LAST_RESORT = 60_000
