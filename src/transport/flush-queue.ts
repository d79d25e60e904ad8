// One write per turn: whoever has something to send is noted here, and all are flushed together when the work
// of the turn is done.

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
  // Flushing can note others, and can come back here: a TLS write can deliver input, whose handlers write in turn.
  while (next < count) {
    const target = dirty[next]!
    dirty[next++] = undefined
    target.flush()
  }
  count = 0
  next = 0
}
