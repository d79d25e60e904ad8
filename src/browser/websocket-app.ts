// WebSocketApp in a browser.

import type { PerAttempt } from '../reconnect/attempt.ts'
import { BaseApp, type WebSocketAppOptions } from '../reconnect/base-app.ts'
import { connect } from './connect.ts'
import { browserSurroundings } from './surroundings.ts'

/** Be a long connection as `WebSocketApp` of the build for Node is. */
export class WebSocketApp extends BaseApp {
  constructor(url: PerAttempt<string | URL>, options: WebSocketAppOptions<BaseApp> = {}) {
    super(url, options, connect, browserSurroundings)
  }
}
