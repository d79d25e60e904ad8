// As the README shows it, on the built package that users get.

import { broadcast, serve } from '../../dist/index.js'
import { announce, host, maxMessageSize, port, tls, versionIn, work } from './contract.mjs'

const handlers = {
  echo: {
    message(connection, data) {
      connection.send(data)
    },
  },
  'for-await': async (connection) => {
    for await (const message of connection) await connection.send(message)
  },
  broadcast: {
    message(_, data) {
      broadcast(server.connections, data)
    },
  },
}

const options = { host, port, maxMessageSize }
const server = await serve(handlers[work], tls === undefined ? options : { ...options, tls })

announce(server.port, versionIn('../../package.json'))
