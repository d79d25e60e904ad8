// Pings that wait for their pongs, and what they tell about latency.

import { Buffer } from 'node:buffer'
import { StateError } from '../errors.ts'

// A peer may send data and never a pong: of the heartbeats that wait, the last few tell the latency.
const MOST_HEARTBEATS = 8

interface PendingPing {
  readonly payload: string
  readonly sentAt: number
  readonly settle: { resolve(latency: number): void; reject(error: Error): void } | undefined
}

/** Match pongs to pings. */
export class PendingPings {
  /** In the order of sending. */
  #pings: PendingPing[] = []
  /** Time from the last answered ping to its pong, in ms; `undefined` before the first. */
  latency: number | undefined
  /** In whole μs, which need no box of their own. */
  #smoothed: number | undefined
  /** When the last pong came that answered a ping, in whole ms. */
  answeredAt: number | undefined

  get size(): number {
    return this.#pings.length
  }

  /** The latency averaged over all pings that were answered, with more weight on late ones, in ms. */
  get smoothedLatency(): number | undefined {
    return this.#smoothed === undefined ? undefined : this.#smoothed / 1000
  }

  /** When the last ping was sent that was not given up, in whole ms. */
  get sentAt(): number | undefined {
    const sentAt =
      this.#pings.at(-1)?.sentAt ??
      (this.answeredAt === undefined ? undefined : this.answeredAt - this.latency!)
    return sentAt === undefined ? undefined : Math.round(sentAt)
  }

  /** Throw a StateError when a ping with this payload is under way: its pong would be ambiguous. */
  assertFree(payload: Uint8Array): void {
    const key = keyOf(payload)
    if (this.#pings.some((ping) => ping.payload === key)) throw new StateError('WS_DUPLICATE_PING')
  }

  /**
   * Send a ping and wait for its pong: resolve to the latency in ms. Rejects with a StateError when a ping with this
   * payload is under way, and with the signal's reason.
   */
  wait(
    payload: Uint8Array,
    sentAt: number,
    signal: AbortSignal | undefined,
    send: () => void,
  ): Promise<number> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      this.assertFree(payload)
      send()
      const onAbort = (): void => {
        this.remove(payload)
        reject(signal!.reason)
      }
      const stop = (): void => signal?.removeEventListener('abort', onAbort)
      const settle = {
        resolve: (latency: number) => {
          stop()
          resolve(latency)
        },
        reject: (error: Error) => {
          stop()
          reject(error)
        },
      }
      this.add(payload, sentAt, settle)
      signal?.addEventListener('abort', onAbort)
    })
  }

  /** Note a ping that was sent; without `settle` it is a heartbeat, for which nobody waits. */
  add(payload: Uint8Array, sentAt: number, settle: PendingPing['settle']): void {
    if (settle === undefined) this.#forgetOldHeartbeat()
    this.#pings.push({ payload: keyOf(payload), sentAt, settle })
  }

  /**
   * Take a pong; return the latency in ms, or `undefined` when it answers none of our pings. It also settles all
   * earlier pings, because a peer may answer the last of several only (RFC 6455 section 5.5.3).
   */
  acknowledge(payload: Uint8Array, now: number): number | undefined {
    if (this.#pings.length === 0) return undefined
    const key = keyOf(payload)
    const index = this.#pings.findIndex((ping) => ping.payload === key)
    if (index === -1) return undefined
    const answered = this.#pings.splice(0, index + 1)
    for (const ping of answered) ping.settle?.resolve(now - ping.sentAt)
    this.answeredAt = Math.trunc(now)
    const latency = now - answered[index]!.sentAt
    this.#measure(latency)
    return latency
  }

  // RFC 6298 section 2: SRTT <- (1 - alpha) * SRTT + alpha * R', with alpha = 1/8.
  #measure(latency: number): void {
    const measured = Math.round(latency * 1000)
    const smoothed = this.#smoothed ?? measured
    this.latency = latency
    this.#smoothed = Math.round(smoothed + (measured - smoothed) / 8)
  }

  #forgetOldHeartbeat(): void {
    const heartbeats = this.#pings.filter((ping) => ping.settle === undefined)
    if (heartbeats.length === MOST_HEARTBEATS) this.#pings.splice(this.#pings.indexOf(heartbeats[0]!), 1)
  }

  /** Forget a ping that nobody waits for any longer. */
  remove(payload: Uint8Array): void {
    const key = keyOf(payload)
    this.#pings = this.#pings.filter((ping) => ping.payload !== key)
  }

  /** Reject all that wait. */
  rejectAll(error: Error): void {
    const pings = this.#pings
    this.#pings = []
    for (const ping of pings) ping.settle?.reject(error)
  }
}

function keyOf(payload: Uint8Array): string {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('latin1')
}
