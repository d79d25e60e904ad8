// As Deno's documentation shows it. Its message limit cannot be set; the built-in one is above ours.

import { announce, host, port, tls, work } from './contract.mjs'

const sockets = new Set()
const certificate = tls === undefined ? {} : { key: tls.key.toString(), cert: tls.cert.toString() }
const server = Deno.serve({ hostname: host, port, ...certificate, onListen() {} }, (request) => {
  const { socket, response } = Deno.upgradeWebSocket(request)
  // The default, Blob, would need one more asynchronous step per message.
  socket.binaryType = 'arraybuffer'
  socket.onmessage = (event) => {
    if (work !== 'broadcast') socket.send(event.data)
    else for (const other of sockets) if (other.readyState === WebSocket.OPEN) other.send(event.data)
  }
  socket.onopen = () => sockets.add(socket)
  socket.onclose = () => sockets.delete(socket)
  return response
})

announce(server.addr.port, Deno.version.deno, `Deno ${Deno.version.deno}`)
