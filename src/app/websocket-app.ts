// WebSocketApp: the long connection as an object, on Node.

import { connect } from '../client/connect.ts'
import type { PerAttempt } from '../reconnect/attempt.ts'
import { BaseApp, type WebSocketAppOptions } from '../reconnect/base-app.ts'
import { withSharedJar } from './shared-jar.ts'
import { nodeSurroundings } from './surroundings.ts'

/**
 * Be a long connection: extend this class and override what you need, or give callbacks as options. `url`, `headers`,
 * `subprotocols` and `credentials` may be functions that are called anew for each attempt. Answers to
 * `websocket.WebSocketApp` of Python.
 *
 * @example
 * class Echo extends WebSocketApp {
 *   override async onOpen() { await this.send('Hello') }
 *   override onMessage(message: Message) { console.log(message); void this.close() }
 * }
 * await new Echo('ws://localhost:8765/').runForever({ reconnect: true })
 */
export class WebSocketApp extends BaseApp {
  constructor(url: PerAttempt<string | URL>, options: WebSocketAppOptions<BaseApp> = {}) {
    super(url, options, withSharedJar(connect), nodeSurroundings)
  }
}
