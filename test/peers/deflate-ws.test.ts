// The npm package ws with compression, as client of our server and as server of our client.

import { vi } from 'vitest'
import { AGREEMENTS } from './support/deflate-series.ts'
import { describeWs } from './support/ws-deflate-suite.ts'

// Hundreds of connections take a while when the machine is busy.
vi.setConfig({ testTimeout: 60_000 })

describeWs(AGREEMENTS)
