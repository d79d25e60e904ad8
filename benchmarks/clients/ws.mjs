// As the README of ws shows it. Its clients offer permessage-deflate, which the server here declines.

import { WebSocket } from 'ws'
import { announce, connections, inFlight, message, url, versionIn } from './contract.mjs'

announce(0, versionIn('../node_modules/ws/package.json'))
for (let count = 0; count < connections; count++) {
  const socket = new WebSocket(url)
  socket.on('message', () => socket.send(message))
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject))
  for (let index = 0; index < inFlight; index++) socket.send(message)
}
