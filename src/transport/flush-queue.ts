// One write per turn: whoever has something to send is noted here, and all are flushed together when the work
// of the turn is done.

import { systemClock } from '../timing/clock.ts'

/** Have something to flush. */
export interface Flushable {
  flush(): void
}

// Places are used again: setting an array's length to 0 would take longer than a small write.
const dirty: (Flushable | undefined)[] = []
let count = 0
/** Targets before this index were flushed. */
let next = 0
let isScheduled = false
let isInTurn = false
const resolved = Promise.resolve()
/** The time of the flush that is under way, once it was asked for. */
let flushTime: number | undefined
let isFlushing = false

/** Note that `target` has something to send; it is flushed at the end of the turn. */
export function flushLater(target: Flushable): void {
  dirty[count++] = target
  if (isScheduled || isInTurn) return
  isScheduled = true
  // Handlers that are coroutines go on in microtasks: the tick after those is when all of them have sent.
  // A promise's job costs a fraction of queueMicrotask(), which makes an async resource each time.
  void resolved.then(scheduleTick)
}

/** Say that input is about to be handled and `endTurn` will follow: until then nothing has to be scheduled. */
export function beginTurn(): void {
  isInTurn = true
}

/** Flush what was noted while input was handled. */
export function endTurn(): void {
  isInTurn = false
  flushAll()
}

function scheduleTick(): void {
  process.nextTick(flushScheduled)
}

function flushScheduled(): void {
  isScheduled = false
  flushAll()
}

/** Flush now what was noted. */
export function flushAll(): void {
  flushTime = undefined
  isFlushing = true
  // Flushing can note others, and can come back here: a TLS write can deliver input, whose handlers write in turn.
  while (next < count) {
    const target = dirty[next]!
    dirty[next++] = undefined
    target.flush()
  }
  isFlushing = false
  count = 0
  next = 0
}

/** Give the system's monotonic time in whole ms, which need no box: the clock is asked once for all that is flushed together. */
export function readFlushTime(): number {
  if (!isFlushing) return Math.trunc(systemClock.now())
  flushTime ??= Math.trunc(systemClock.now())
  return flushTime
}
