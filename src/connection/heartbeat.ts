// Is the peer alive? A ping goes out at an interval, and then any byte counts as life. The peer is not blamed
// for what is our own doing: input that waits unread, a loop that was blocked, a socket that we paused.

import type { TimerTask, TimerWheel } from '../timing/timer-wheel.ts'

/** Be watched: the three things that a heartbeat needs. */
export interface HeartbeatTarget {
  /** Grows whenever something was received. */
  readonly activity: number
  /** True while we do not read, so that silence means nothing. */
  readonly isReadingPaused: boolean
  sendHeartbeat(): void
  /** Nothing came within the timeout after a ping. */
  heartbeatFailed(): void
}

/** Ping at an interval and report silence. */
export class Heartbeat implements TimerTask {
  due: number | undefined = undefined
  readonly #wheel: TimerWheel
  readonly #target: HeartbeatTarget
  readonly #interval: number
  readonly #timeout: number
  /** The target's activity when the ping went out; `undefined` while no ping is under way. */
  #activityAtPing: number | undefined
  /** When the ping went out, and how much of the timeout was waited for on purpose since. */
  #pingedAt = 0
  #waited = 0
  /** When the timer should have fired, to the millisecond. */
  #expected = 0
  #isStopped = false

  /** Begin. `timeout` may be Infinity: then pings only keep the line in use and measure latency. */
  constructor(wheel: TimerWheel, target: HeartbeatTarget, interval: number, timeout: number) {
    this.#wheel = wheel
    this.#target = target
    this.#interval = interval
    this.#timeout = timeout
    this.#schedule(interval)
  }

  stop(): void {
    this.#isStopped = true
    this.#wheel.cancel(this)
  }

  onTimer(): void {
    if (this.#activityAtPing === undefined) this.#ping()
    // Bytes that came while our loop was busy lie in the kernel: read them before judging.
    else this.#wheel.clock.afterInput(() => this.#judge())
  }

  #ping(): void {
    if (this.#timeout === Number.POSITIVE_INFINITY) {
      this.#schedule(this.#interval)
    } else {
      this.#activityAtPing = this.#target.activity
      this.#pingedAt = this.#wheel.clock.now()
      // Look at the next interval already, if that is sooner: a peer that is alive is pinged again then.
      this.#waited = Math.min(this.#interval, this.#timeout)
      this.#schedule(this.#waited)
    }
    this.#target.sendHeartbeat()
  }

  #judge(): void {
    if (this.#isStopped) return
    const { activity, isReadingPaused } = this.#target
    const now = this.#wheel.clock.now()
    if (activity !== this.#activityAtPing || isReadingPaused) {
      this.#activityAtPing = undefined
      // Pings keep their rhythm: the time that was spent waiting counts towards the interval.
      this.#schedule(Math.max(this.#interval - (now - this.#pingedAt), 0))
      return
    }
    const late = now - this.#expected
    if (late > this.#timeout / 4) {
      // Our loop stood still for so long that the ping itself, or its answer, may have been held up by us.
      this.#schedule(Math.min(late, this.#timeout))
      return
    }
    if (this.#waited < this.#timeout) {
      this.#schedule(this.#timeout - this.#waited)
      this.#waited = this.#timeout
      return
    }
    this.#target.heartbeatFailed()
  }

  #schedule(delay: number): void {
    this.#expected = this.#wheel.clock.now() + delay
    this.#wheel.schedule(this, delay)
  }
}
