// Is the peer alive? A ping goes out at an interval, and then any byte counts as life; so does room for bytes of ours
// that had to wait, because a ping behind a large message reaches the peer late. The peer is not blamed for what is our
// own doing: input that waits unread, a loop that was blocked, a machine that slept, a socket that we paused.

import type { TimerTask, TimerWheel } from '../timing/timer-wheel.ts'

/** Be watched: what a heartbeat needs. */
export interface HeartbeatTarget {
  /** In ms; a timeout of Infinity has pings only keep the line in use and measure latency. */
  readonly options: { readonly pingInterval: number; readonly pingTimeout: number }
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

/** A ping whose answer is awaited. */
interface Probe {
  /** The target's activity when it went out. */
  readonly activity: number
  readonly sentAt: number
  /** What the system had taken when the ping had to wait behind other bytes; `undefined` when it had not. */
  taken: number | undefined
  /** How much of the timeout was waited for on purpose since. */
  waited: number
}

/** Ping at an interval and report silence. There is one for each connection, so that it is small while nothing happens. */
export class Heartbeat implements TimerTask {
  due: number | undefined = undefined
  readonly #wheel: TimerWheel
  readonly #target: HeartbeatTarget
  #probe: Probe | undefined
  /** When the timer should have fired, to the millisecond, on a clock that also counts time for which nobody is blamed. */
  #expected = 0
  /** Until when silence is excused, because the peer reads slowly what the system has taken of ours. */
  #patientUntil = 0
  #isStopped = false

  /** Begin. */
  constructor(wheel: TimerWheel, target: HeartbeatTarget) {
    this.#wheel = wheel
    this.#target = target
    this.#schedule(target.options.pingInterval)
  }

  stop(): void {
    this.#isStopped = true
    this.#wheel.cancel(this)
  }

  onTimer(): void {
    const probe = this.#probe
    if (probe === undefined) this.#ping()
    // Bytes that came while our loop was busy lie in the kernel: read them before judging.
    else this.#wheel.clock.afterInput(() => this.#judge(probe))
  }

  #ping(): void {
    const { pingInterval, pingTimeout } = this.#target.options
    if (pingTimeout === Number.POSITIVE_INFINITY) {
      this.#schedule(pingInterval)
      this.#target.sendHeartbeat()
      return
    }
    const probe: Probe = {
      activity: this.#target.activity,
      sentAt: this.#wheel.clock.now(),
      taken: undefined,
      // Look at the next interval already, if that is sooner: a peer that is alive is pinged again then.
      waited: Math.min(pingInterval, pingTimeout),
    }
    this.#probe = probe
    this.#schedule(probe.waited)
    this.#target.sendHeartbeat()
    // A TLS socket has the bytes for a moment even when the system takes them at once.
    if (this.#target.isBackedUp) this.#wheel.clock.afterInput(() => this.#noteBackup(probe))
  }

  #noteBackup(probe: Probe): void {
    if (!this.#isStopped && this.#target.isBackedUp) probe.taken = this.#target.taken
  }

  #judge(probe: Probe): void {
    if (this.#isStopped) return
    const { pingInterval, pingTimeout } = this.#target.options
    const now = this.#wheel.clock.now()
    if (this.#target.activity !== probe.activity || this.#isTaking(probe, now) || this.#isDeaf(probe)) {
      this.#probe = undefined
      // Pings keep their rhythm: the time that was spent waiting counts towards the interval.
      this.#schedule(Math.max(pingInterval - (now - probe.sentAt), 0))
      return
    }
    // How late the timer came, and how long the machine slept or we did not read meanwhile.
    const excused = now + this.#timeExcused - this.#expected
    if (excused > pingTimeout / 4) {
      // The ping itself, or its answer, may have been held up by us.
      this.#schedule(Math.min(excused, pingTimeout))
      return
    }
    if (now < this.#patientUntil) {
      this.#schedule(Math.min(this.#patientUntil - now, pingTimeout))
      return
    }
    if (probe.waited < pingTimeout) {
      this.#schedule(pingTimeout - probe.waited)
      probe.waited = pingTimeout
      return
    }
    this.#target.heartbeatFailed()
  }

  get #timeExcused(): number {
    return this.#wheel.timeAsleep + this.#target.timePaused
  }

  /** Tell whether silence means nothing, because we do not listen, and what waits to be sent does not speak for the peer either. */
  #isDeaf(probe: Probe): boolean {
    const { isReadingPaused, isPausedForDrain } = this.#target
    return isReadingPaused && !(isPausedForDrain && probe.taken !== undefined)
  }

  /** Tell whether the peer made room for bytes that waited when the ping was sent; see how long the rest may take it. */
  #isTaking(probe: Probe, now: number): boolean {
    if (probe.taken === undefined) return false
    const taken = this.#target.taken - probe.taken
    if (taken <= 0) return false
    const rest = (MOST_IN_SYSTEM / taken) * (now - probe.sentAt)
    const patience = Math.min(rest, MOST_PATIENCE * this.#target.options.pingTimeout)
    this.#patientUntil = Math.trunc(now + patience)
    return true
  }

  #schedule(delay: number): void {
    // Whole ms need no box of their own.
    this.#expected = Math.trunc(this.#wheel.clock.now() + this.#timeExcused + delay)
    this.#wheel.schedule(this, delay)
  }
}
