// A server in a process of its own, for tests that end it in one way or another. It prints its port, greets each
// connection with "welcome", and answers what it is sent.

import { getEventLoop, serve } from '../../src/index.ts'

const server = await serve(
  {
    open: (connection) => connection.send('welcome'),
    message: (connection, message) => connection.send(message),
  },
  { host: '127.0.0.1', port: Number(process.argv[2]) },
)
console.log(new URL(server.url).port)
await getEventLoop().runForever()
await server.close()
