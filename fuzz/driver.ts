// The loop: make an input, run it, keep it when something new happened, stop when the invariant broke.

import { mutate } from './mutate.ts'
import { Random } from './random.ts'
import { shrink } from './shrink.ts'
import type { Target } from './target.ts'

export interface FuzzOptions {
  readonly seed: number
  /** Inputs to begin with. */
  readonly corpus: readonly Uint8Array[]
  /** Stop after so many runs. */
  readonly runs?: number
  /** Stop after so much time. */
  readonly seconds?: number
  /** Be told before each run, for the case that it never ends. */
  readonly onRun?: (input: Uint8Array) => void
  /** Be told once per second. */
  readonly onProgress?: (progress: Progress) => void
}

export interface Progress {
  readonly runs: number
  readonly seconds: number
  /** How many different things happened. */
  readonly behaviours: number
}

export interface Failure {
  /** As it was found. */
  readonly input: Uint8Array
  /** As small as it became. */
  readonly shrunk: Uint8Array
  /** What the small one throws. */
  readonly error: unknown
}

export interface FuzzResult extends Progress {
  readonly failure: Failure | undefined
}

// What is interesting stays in memory; above this, newer inputs replace older ones.
const LARGEST_POOL = 4096

/** Fuzz one target until a limit is met or its invariant breaks. */
export function fuzz(target: Target, options: FuzzOptions): FuzzResult {
  const {
    seed,
    runs: mostRuns = Number.POSITIVE_INFINITY,
    seconds: mostSeconds = Number.POSITIVE_INFINITY,
  } = options
  const random = new Random(seed)
  const dictionary = target.dictionary ?? []
  const pool: Uint8Array[] = []
  const behaviours = new Set<string>()
  const startTime = performance.now()
  let runs = 0
  let reportedTime = startTime
  const progress = (now: number): Progress => ({
    runs,
    seconds: (now - startTime) / 1000,
    behaviours: behaviours.size,
  })

  for (; runs < mostRuns; runs++) {
    const now = performance.now()
    if (now - startTime >= mostSeconds * 1000) break
    if (now - reportedTime >= 1000) {
      reportedTime = now
      options.onProgress?.(progress(now))
    }
    const input = runs < options.corpus.length ? options.corpus[runs]! : nextInput()
    options.onRun?.(input)
    let behaviour: string
    try {
      behaviour = target.run(input)
    } catch {
      runs++
      return { ...progress(performance.now()), failure: explainFailure(target, input, options) }
    }
    if (behaviours.has(behaviour)) continue
    behaviours.add(behaviour)
    if (pool.length < LARGEST_POOL) pool.push(input)
    else pool[random.below(LARGEST_POOL)] = input
  }
  return { ...progress(performance.now()), failure: undefined }

  function nextInput(): Uint8Array {
    // Something new half of the time: mutation alone loses what keeps inputs well-formed.
    if (pool.length === 0 || random.oneIn(2)) {
      const input = target.generate(random)
      return random.oneIn(2) ? input : mutate(input, random, pool, dictionary)
    }
    return mutate(random.pick(pool), random, pool, dictionary)
  }
}

function explainFailure(target: Target, input: Uint8Array, options: FuzzOptions): Failure {
  const errorOf = (candidate: Uint8Array): unknown => {
    options.onRun?.(candidate)
    try {
      target.run(candidate)
      return undefined
    } catch (error) {
      return error ?? new Error('undefined was thrown')
    }
  }
  const shrunk = shrink(input, (candidate) => errorOf(candidate) !== undefined)
  return { input, shrunk, error: errorOf(shrunk) ?? new Error('failed once, and not when it was run again') }
}
