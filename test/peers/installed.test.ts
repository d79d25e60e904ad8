// Says once which peers are missing; the tests that need them are skipped, but in CI they fail.

import { expect, test } from 'vitest'
import { explainMissing, findMissing, isCi, PEERS } from './support/peers.ts'

test('the peers are installed', async ({ skip }) => {
  const missing = await findMissing(PEERS)
  if (missing.length === 0 || isCi) {
    expect(missing).toEqual([])
    return
  }
  process.stderr.write(`test/peers skips some tests; ${explainMissing(missing)}\n`)
  skip(explainMissing(missing))
}, 60_000)
