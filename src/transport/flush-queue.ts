// One write per turn: whoever has something to send is noted here, and all are flushed together when the work
// of the turn is done.

/** Have something to flush. */
export interface Flushable {
  flush(): void
}

const dirty: Flushable[] = []
/** Targets before this index were flushed. */
let next = 0
let isScheduled = false
const resolved = Promise.resolve()

/** Note that `target` has something to send; it is flushed at the end of the turn. */
export function flushLater(target: Flushable): void {
  dirty.push(target)
  if (isScheduled) return
  isScheduled = true
  // Handlers that are coroutines go on in microtasks: the tick after those is when all of them have sent.
  // A promise's job costs a fraction of queueMicrotask(), which makes an async resource each time.
  void resolved.then(scheduleTick)
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
  // Flushing can note others, and can come back here: a TLS write can deliver input, whose handlers write in turn.
  while (next < dirty.length) dirty[next++]!.flush()
  dirty.length = 0
  next = 0
}
