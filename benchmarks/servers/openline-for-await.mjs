// The coroutine style, as the README shows it, on the built package that users get.

import { serve } from '../../dist/index.js'
import { announce, host, maxMessageSize, port, versionIn } from './contract.mjs'

const server = await serve(
  async (connection) => {
    for await (const message of connection) await connection.send(message)
  },
  { host, port, maxMessageSize },
)

announce(server.port, versionIn('../../package.json'))
