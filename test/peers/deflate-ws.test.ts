// The npm package ws with compression, as client of our server and as server of our client.

import { AGREEMENTS } from './support/deflate-series.ts'
import { describeWs } from './support/ws-deflate-suite.ts'

describeWs(AGREEMENTS)
