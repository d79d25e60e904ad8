// One opening of a connection: the time that all its steps share, the signal that gives it up, the phase it is in, and
// the sockets that it has opened. Must not know what the steps are.

import type { Duplex } from 'node:stream'
import { type HandshakePhase, WebSocketTimeoutError } from '../errors.ts'

/** What a step that is under way is ended with. */
interface Waiter {
  readonly reject: (reason: unknown) => void
  /** Say otherwise than by a WebSocketTimeoutError what there is when the time is over; `undefined` for that error. */
  readonly onTimeout: (() => unknown) | undefined
}

/** Watch over an opening. Whoever makes one ends it with `succeed` or `fail`. */
export class Opening {
  /** How far it has come. */
  phase: HandshakePhase = 'dns'
  /** The time for all steps together, in ms. */
  readonly openTimeout: number
  readonly #signal: AbortSignal | undefined
  #timer: NodeJS.Timeout
  /** When the timer should fire. */
  #due: number
  readonly #sockets = new Set<Duplex>()
  #waiter: Waiter | undefined
  /** Why it is over; wrapped, because a signal's reason may be anything. */
  #end: { readonly reason: unknown } | undefined

  /** Begin to measure the time, in ms. The signal must not be aborted yet. */
  constructor(openTimeout: number, signal: AbortSignal | undefined) {
    this.openTimeout = openTimeout
    this.#signal = signal
    this.#due = performance.now() + openTimeout
    this.#timer = setTimeout(this.#onTimeout, openTimeout)
    signal?.addEventListener('abort', this.#onAbort)
  }

  readonly #onTimeout = (): void => {
    const late = performance.now() - this.#due
    if (late > this.openTimeout / 4) {
      // Our loop stood still: what the peer sent meanwhile lies unread, and we have not answered it.
      this.#due = performance.now() + late
      this.#timer = setTimeout(this.#onTimeout, late)
      return
    }
    const reason = this.#waiter?.onTimeout?.()
    this.fail(reason ?? new WebSocketTimeoutError('open', this.openTimeout, this.phase))
  }

  readonly #onAbort = (): void => this.fail(this.#signal!.reason)

  /** True when the time is over or the signal aborted: what it ended with is told as it is. */
  get isOver(): boolean {
    return this.#end !== undefined
  }

  /** Take over a socket: it is destroyed when the opening fails, and its errors never go unheard. */
  own<Stream extends Duplex>(socket: Stream): Stream {
    this.#sockets.add(socket)
    socket.on('error', ignore)
    // A step that began before the opening was over can bring a socket after it.
    if (this.#end !== undefined) socket.destroy()
    return socket
  }

  /**
   * Wait for one step. `start` is given what settles it, and may return what stops it when the opening is over.
   * Rejects with the reason when the time is over or the signal aborts.
   */
  wait<Value>(
    start: (resolve: (value: Value) => void, reject: (reason: unknown) => void) => void,
    onTimeout?: () => unknown,
  ): Promise<Value> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) {
        reject(this.#end.reason)
        return
      }
      const waiter = { reject, onTimeout }
      this.#waiter = waiter
      const settle = (): void => {
        if (this.#waiter === waiter) this.#waiter = undefined
      }
      start(
        (value) => {
          settle()
          resolve(value)
        },
        (reason) => {
          settle()
          reject(reason)
        },
      )
    })
  }

  /** Wait for a promise as `wait` does. */
  race<Value>(promise: PromiseLike<Value>): Promise<Value> {
    // When it is over already nobody waits, and a failure must not end the process.
    promise.then(ignore, ignore)
    return this.wait((resolve, reject) => void promise.then(resolve, reject))
  }

  /** Drop what was opened: another place is dialled next. */
  dropSockets(): void {
    // TLS before the socket beneath it: the other way round Node 20 ends by a segmentation fault.
    for (const socket of [...this.#sockets].reverse()) socket.destroy()
    this.#sockets.clear()
  }

  /** End it with a connection: nothing of it watches any longer. Throws the reason when it is over already. */
  succeed(): void {
    if (this.#end !== undefined) throw this.#end.reason
    this.#stop()
    this.#sockets.clear()
  }

  /** End it without one: whatever waits rejects, and all sockets are destroyed. */
  fail(reason: unknown): void {
    this.#end ??= { reason }
    this.#stop()
    // Before the sockets tell the waiter that they are gone.
    this.#waiter?.reject(reason)
    this.#waiter = undefined
    this.dropSockets()
  }

  #stop(): void {
    clearTimeout(this.#timer)
    this.#signal?.removeEventListener('abort', this.#onAbort)
  }
}

function ignore(): void {}
