// The way that uses nothing of zlib but its public streams, with real peers.

import { afterAll, expect, test, vi } from 'vitest'
import { canRunSync } from '../../src/deflate/sync-zlib.ts'
import { PAIRWISE_AGREEMENTS } from './support/deflate-series.ts'
import { describeGorilla } from './support/gorilla-deflate-suite.ts'
import { describeWs } from './support/ws-deflate-suite.ts'

// Children share the machine with whatever else runs.
vi.setConfig({ testTimeout: 60_000 })

// It is asked for when it is needed for the first time.
vi.stubEnv('OPENLINE_SYNC_ZLIB', 'off')
afterAll(() => vi.unstubAllEnvs())

test('zlib is not driven at once here', () => {
  expect(canRunSync()).toBe(false)
})

describeWs(PAIRWISE_AGREEMENTS)
await describeGorilla()
