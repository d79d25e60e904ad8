// Replays all committed inputs and runs every target a little: what the fuzzer does for hours, in seconds.

import { expect, test } from 'vitest'
import { readCorpus } from '../../fuzz/corpus.ts'
import { fuzz } from '../../fuzz/driver.ts'
import { targets } from '../../fuzz/targets.ts'
import { toHex } from '../support/bytes.ts'

const RUNS = 400

test.each(targets)('$name holds for every input of its corpus', (target) => {
  const entries = readCorpus(target.name)
  expect(entries.length).toBeGreaterThan(5)
  for (const { name, input } of entries) {
    expect(input.length, name).toBeLessThan(4096)
    expect(() => target.run(input), name).not.toThrow()
  }
})

test.each(targets)('$name holds for inputs made up with a fixed seed', (target) => {
  const corpus = readCorpus(target.name).map(({ input }) => input)
  const { failure, runs, behaviours } = fuzz(target, { seed: 6455, runs: RUNS, corpus })
  if (failure !== undefined) expect.fail(`${String(failure.error)}\ninput: ${toHex(failure.shrunk)}`)
  expect(runs).toBe(RUNS)
  expect(behaviours).toBeGreaterThan(3)
})
