// As the README of ws shows an echo: the payload goes back as the Buffer it came in, text is never decoded.

import { WebSocketServer } from 'ws'
import { announce, host, maxMessageSize, port, versionIn } from './contract.mjs'

const server = new WebSocketServer({ host, port, maxPayload: maxMessageSize })

server.on('connection', (socket) => {
  socket.on('error', (error) => console.error(error))
  socket.on('message', (data, isBinary) => {
    socket.send(data, { binary: isBinary })
  })
})

server.on('listening', () => announce(server.address().port, versionIn('../node_modules/ws/package.json')))
