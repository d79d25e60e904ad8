// Go's gorilla/websocket with compression, as client of our server and as server of our client.

import { vi } from 'vitest'
import { describeGorilla } from './support/gorilla-deflate-suite.ts'

// Children share the machine with whatever else runs.
vi.setConfig({ testTimeout: 60_000 })

await describeGorilla()
