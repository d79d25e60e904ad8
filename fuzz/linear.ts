// Finds parsers whose time grows faster than their input: the part of a value that is repeated thousands of times is
// the input's choice, and the bound leaves a slow machine much more than a linear parser needs.

import { Random } from './random.ts'
import { check } from './target.ts'

const LENGTH = 64 * 1024
// Linear parsers take 1 or 2 ms for this length, quadratic ones seconds.
const BOUND_MS = 150
// A busy machine may stop a process for longer than the bound; not so often in a row, and not for as long as this.
const ATTEMPTS = 5
const BEYOND_DOUBT_MS = 1000

/** Make a long value: some part of `value` over and over, in place. The plan chooses the part. */
export function pump(value: string, plan: number): string {
  if (value === '') return value
  const random = new Random(plan)
  const start = random.below(value.length)
  const part = value.slice(start, start + random.between(1, 8))
  const end = random.oneIn(2) ? '' : value.slice(start + part.length)
  return value.slice(0, start) + part.repeat(Math.ceil(LENGTH / part.length)) + end
}

/** Throw unless `action` is done within the time that linear work may take. */
export function checkLinear(action: () => void, what: string): void {
  let fastest = Number.POSITIVE_INFINITY
  for (let attempt = 0; attempt < ATTEMPTS && fastest > BOUND_MS; attempt++) {
    const start = performance.now()
    action()
    const taken = performance.now() - start
    fastest = Math.min(fastest, taken)
    if (taken > BEYOND_DOUBT_MS) break
  }
  check(fastest <= BOUND_MS, () => `${what} takes ${Math.round(fastest)} ms for a long value`)
}
