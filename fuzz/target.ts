// What the driver needs to know of a target.

import type { Random } from './random.ts'

/** Fuzz one parser, or one promise of several. */
export interface Target {
  readonly name: string
  /** Make an input out of nothing, well-formed more often than chance would. */
  generate(random: Random): Uint8Array
  /** Pieces of inputs that are worth inserting. */
  readonly dictionary?: readonly Uint8Array[]
  /**
   * Throw when the invariant does not hold. Otherwise return in few words what happened: an input after which it
   * is something new is kept and changed further.
   */
  run(input: Uint8Array): string
}

/** Throw unless the condition holds. */
export function check(condition: boolean, problem: string | (() => string)): asserts condition {
  if (!condition) throw new Error(typeof problem === 'string' ? problem : problem())
}

/** Throw unless both lists are equal; the message shows the first difference. */
export function checkEqual(actual: readonly string[], expected: readonly string[], what: string): void {
  const length = Math.max(actual.length, expected.length)
  for (let index = 0; index < length; index++) {
    if (actual[index] === expected[index]) continue
    throw new Error(
      `${what}: number ${index} is ${show(actual[index])} (of ${actual.length}), not ${show(expected[index])} (of ${expected.length})`,
    )
  }
}

/** Run `action`; return what it throws, or `undefined`. */
export function thrownBy(action: () => void): unknown {
  try {
    action()
    return undefined
  } catch (error) {
    return error ?? new Error('undefined was thrown')
  }
}

/** Collapse repetitions, so that what happened can be told in few different ways. */
export function summarise(kinds: readonly string[]): string {
  let summary = ''
  let last = ''
  let count = 0
  for (const kind of kinds) {
    if (kind === last) {
      if (++count === 2) summary += '+'
      continue
    }
    summary += ` ${kind}`
    last = kind
    count = 1
    if (summary.length > 120) break
  }
  return summary
}

function show(value: string | undefined): string {
  if (value === undefined) return 'absent'
  return JSON.stringify(value.length > 120 ? `${value.slice(0, 120)}…` : value)
}
