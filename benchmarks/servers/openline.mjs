// The callback style, as the README shows it, on the built package that users get.

import { serve } from '../../dist/index.js'
import { announce, host, maxMessageSize, port, versionIn } from './contract.mjs'

const server = await serve(
  {
    message(connection, data) {
      connection.send(data)
    },
  },
  { host, port, maxMessageSize },
)

announce(server.port, versionIn('../../package.json'))
