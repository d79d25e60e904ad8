// As the README shows callbacks, on the built package that users get.

import { connect } from '../../dist/index.js'
import { announce, connections, inFlight, message, url, versionIn } from './contract.mjs'

const handler = {
  open(connection) {
    for (let count = 0; count < inFlight; count++) connection.send(message)
  },
  message(connection) {
    connection.send(message)
  },
}

announce(0, versionIn('../../package.json'))
for (let count = 0; count < connections; count++) await connect(url, { handler })
