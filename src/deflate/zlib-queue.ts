// The turns of work on the thread pool: it has four threads by default, for files and names too, and each piece of work
// holds memory while it waits. So only a few are under way at once; the others wait here, in order.

// Two for each thread, so that none is idle.
const MOST_AT_ONCE = 8

type Work = (leave: () => void) => void

const waiting: Work[] = []
let underWay = 0
let isBeginning = false

/** Begin work as soon as there is a place; it calls `leave` when it is done. Calling that again does nothing. */
export function enqueue(work: Work): void {
  waiting.push(work)
  beginWaiting()
}

// In a loop: work of connections that are gone leaves at once, and thousands of these would be too deep a recursion.
function beginWaiting(): void {
  if (isBeginning) return
  isBeginning = true
  try {
    while (underWay < MOST_AT_ONCE && waiting.length > 0) begin(waiting.shift()!)
  } finally {
    isBeginning = false
  }
}

function begin(work: Work): void {
  underWay++
  let hasLeft = false
  work(() => {
    if (hasLeft) return
    hasLeft = true
    underWay--
    beginWaiting()
  })
}
