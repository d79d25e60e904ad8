// The browsers' interface, as undici brings it to Node.

import { WebSocket } from 'undici'
import { announce, connections, inFlight, message, url, versionIn } from './contract.mjs'

announce(0, versionIn('../node_modules/undici/package.json'))
for (let count = 0; count < connections; count++) {
  const socket = new WebSocket(url)
  socket.addEventListener('message', () => socket.send(message))
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve)
    socket.addEventListener('error', reject)
  })
  for (let index = 0; index < inFlight; index++) socket.send(message)
}
