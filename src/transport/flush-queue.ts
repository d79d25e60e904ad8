// One write per turn: whoever has something to send is noted here, and all are flushed together when the work
// of the turn is done.

/** Have something to flush. */
export interface Flushable {
  flush(): void
}

const dirty: Flushable[] = []
let isScheduled = false

/** Note that `target` has something to send; it is flushed at the end of the turn. */
export function flushLater(target: Flushable): void {
  dirty.push(target)
  if (isScheduled) return
  isScheduled = true
  // Handlers that are coroutines go on in microtasks: the tick after those is when all of them have sent.
  queueMicrotask(scheduleTick)
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
  // Flushing can note others: a TLS write can deliver input, whose handlers write in turn.
  for (let index = 0; index < dirty.length; index++) dirty[index]!.flush()
  dirty.length = 0
}
