// As Deno's documentation shows it. Its message limit cannot be set; the built-in one is above ours.

import { announce, host, port } from './contract.mjs'

const server = Deno.serve({ hostname: host, port, onListen() {} }, (request) => {
  const { socket, response } = Deno.upgradeWebSocket(request)
  // The default, Blob, would need one more asynchronous step per message.
  socket.binaryType = 'arraybuffer'
  socket.onmessage = (event) => socket.send(event.data)
  return response
})

announce(server.addr.port, Deno.version.deno, `Deno ${Deno.version.deno}`)
