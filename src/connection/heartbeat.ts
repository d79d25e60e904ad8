// Is the peer alive? A ping goes out at an interval, and then any byte counts as life; so does room for bytes of ours
// that had to wait, because a ping behind a large message reaches the peer late. The peer is not blamed for what is our
// own doing: input that waits unread, a loop that was blocked, a machine that slept, a socket that we paused.

import type { TimerTask, TimerWheel } from '../timing/timer-wheel.ts'

/** Be watched: what a heartbeat needs. */
export interface HeartbeatTarget {
  /** Grows whenever something was received. */
  readonly activity: number
  /** True while we do not read, so that silence means nothing. */
  readonly isReadingPaused: boolean
  /** ms for which we did not read, up to the last time that we read again. */
  readonly timePaused: number
  /** True while we do not read for the one reason that the peer does not read either. */
  readonly isPausedForDrain: boolean
  /** True while bytes of ours wait because the system takes no more. */
  readonly isBackedUp: boolean
  /** Grows with the bytes that the system takes. */
  readonly taken: number
  /** Send a ping now, not at the end of the turn. */
  sendHeartbeat(): void
  /** Nothing came within the timeout after a ping, and nothing that waited went. */
  heartbeatFailed(): void
}

// Nobody can see how much of what the system took the peer has yet to read. This is about the most that Linux holds for
// one connection, at both ends together.
const MOST_IN_SYSTEM = 8 * 1024 * 1024
/** Patience with a slow reader after the last sign of progress, in timeouts. */
const MOST_PATIENCE = 5

/** Ping at an interval and report silence. */
export class Heartbeat implements TimerTask {
  due: number | undefined = undefined
  readonly #wheel: TimerWheel
  readonly #target: HeartbeatTarget
  readonly #interval: number
  readonly #timeout: number
  /** The target's activity when the ping went out; `undefined` while no ping is under way. */
  #activityAtPing: number | undefined
  /** What the system had taken when the ping had to wait behind other bytes; `undefined` when it had not. */
  #takenAtPing: number | undefined
  /** When the ping went out, and how much of the timeout was waited for on purpose since. */
  #pingedAt = 0
  #waited = 0
  /** When the timer should have fired, to the millisecond, on a clock that also counts time for which nobody is blamed. */
  #expected = 0
  /** Until when silence is excused, because the peer reads slowly what the system has taken of ours. */
  #patientUntil = 0
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
    const isWatching = this.#timeout !== Number.POSITIVE_INFINITY
    if (isWatching) {
      this.#activityAtPing = this.#target.activity
      this.#pingedAt = this.#wheel.clock.now()
      // Look at the next interval already, if that is sooner: a peer that is alive is pinged again then.
      this.#waited = Math.min(this.#interval, this.#timeout)
      this.#schedule(this.#waited)
    } else {
      this.#schedule(this.#interval)
    }
    this.#target.sendHeartbeat()
    this.#takenAtPing = undefined
    // A TLS socket has the bytes for a moment even when the system takes them at once.
    if (isWatching && this.#target.isBackedUp) this.#wheel.clock.afterInput(() => this.#noteBackup())
  }

  #noteBackup(): void {
    if (!this.#isStopped && this.#target.isBackedUp) this.#takenAtPing = this.#target.taken
  }

  #judge(): void {
    if (this.#isStopped) return
    const now = this.#wheel.clock.now()
    if (this.#target.activity !== this.#activityAtPing || this.#isTaking(now) || this.#isDeaf) {
      this.#activityAtPing = undefined
      // Pings keep their rhythm: the time that was spent waiting counts towards the interval.
      this.#schedule(Math.max(this.#interval - (now - this.#pingedAt), 0))
      return
    }
    // How late the timer came, and how long the machine slept or we did not read meanwhile.
    const excused = now + this.#timeExcused - this.#expected
    if (excused > this.#timeout / 4) {
      // The ping itself, or its answer, may have been held up by us.
      this.#schedule(Math.min(excused, this.#timeout))
      return
    }
    if (now < this.#patientUntil) {
      this.#schedule(Math.min(this.#patientUntil - now, this.#timeout))
      return
    }
    if (this.#waited < this.#timeout) {
      this.#schedule(this.#timeout - this.#waited)
      this.#waited = this.#timeout
      return
    }
    this.#target.heartbeatFailed()
  }

  get #timeExcused(): number {
    return this.#wheel.timeAsleep + this.#target.timePaused
  }

  /** True while silence means nothing, because we do not listen, and what waits to be sent does not speak for the peer either. */
  get #isDeaf(): boolean {
    const { isReadingPaused, isPausedForDrain } = this.#target
    return isReadingPaused && !(isPausedForDrain && this.#takenAtPing !== undefined)
  }

  /** Tell whether the peer made room for bytes that waited when the ping was sent; see how long the rest may take it. */
  #isTaking(now: number): boolean {
    if (this.#takenAtPing === undefined) return false
    const taken = this.#target.taken - this.#takenAtPing
    if (taken <= 0) return false
    const rest = (MOST_IN_SYSTEM / taken) * (now - this.#pingedAt)
    this.#patientUntil = Math.trunc(now + Math.min(rest, MOST_PATIENCE * this.#timeout))
    return true
  }

  #schedule(delay: number): void {
    this.#expected = this.#wheel.clock.now() + this.#timeExcused + delay
    this.#wheel.schedule(this, delay)
  }
}
