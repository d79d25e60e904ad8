// As the README shows it, on the built package that users get.

import { broadcast, serve } from '../../dist/index.js'
import {
  announce,
  compression,
  hasTakeover,
  host,
  maxMessageSize,
  port,
  tls,
  versionIn,
  work,
} from './contract.mjs'

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

// Its defaults, but that short messages are compressed too.
const deflate = { threshold: 0, serverNoContextTakeover: !hasTakeover, clientNoContextTakeover: !hasTakeover }
const options = {
  host,
  port,
  maxMessageSize,
  ...(tls === undefined ? {} : { tls }),
  ...(compression === undefined ? {} : { compression: deflate }),
}
const server = await serve(handlers[work], options)

announce(server.port, versionIn('../../package.json'))
