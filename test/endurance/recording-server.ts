// A server in a process of its own that may be killed at any moment. It prints its port, and writes the number of each
// message that it saw into a file before it does anything else.

import { openSync, writeSync } from 'node:fs'
import { getEventLoop, serve } from '../../src/index.ts'

const [, , port, path] = process.argv
const file = openSync(path!, 'a')
const server = await serve(
  {
    message: (_connection, message) => {
      writeSync(file, `${String(message).split(' ', 1)[0]}\n`)
    },
  },
  { host: '127.0.0.1', port: Number(port) },
)
console.log(new URL(server.url).port)
await getEventLoop().runForever()
await server.close()
