// How much memory a large transfer takes: one message each way between two processes, in pieces, with what either
// process grew by meanwhile. The message is as long as you say, in GiB.
//   npm run transfer [-- GIB] [--deflate]     on the built package

import { fork } from 'node:child_process'
import process from 'node:process'
import { connect, serve } from '../dist/index.js'

const MIB = 1024 ** 2
const values = process.argv.slice(2).filter((value) => !value.startsWith('--'))
const url = values.find((value) => value.startsWith('ws:'))
const size = Number(values[0] ?? 4) * 1024 * MIB
const options = {
  compression: process.argv.includes('--deflate'),
  maxStreamSize: Number.POSITIVE_INFINITY,
}
const chunk = new Uint8Array(256 * 1024).fill('x'.charCodeAt(0))

async function* source() {
  for (let sent = 0; sent < size; sent += chunk.length) yield chunk
}

async function take(connection) {
  let received = 0
  for await (const piece of connection.receiveStream()) received += piece.length
  if (received !== size) throw new Error(`${received} of ${size} bytes came`)
}

/** Watch the resident memory; the function that comes back says by how much it grew at most. */
function watchMemory() {
  const before = process.memoryUsage.rss()
  let peak = before
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }, 20)
  return () => {
    clearInterval(timer)
    return `${((peak - before) / MIB).toFixed(1)} MiB`
  }
}

if (url === undefined) {
  const server = await serve(
    async (connection) => {
      await connection.send(await connection.receive())
      const growth = watchMemory()
      await take(connection)
      await connection.send(source())
      console.log(`the server grew by ${growth()}`)
      await connection.closed
      void server.close()
    },
    { host: '127.0.0.1', ...options },
  )
  fork(process.argv[1], [...process.argv.slice(2), server.url])
} else {
  const connection = await connect(url, options)
  // What is made with the first message is there before it counts.
  await connection.send('hello')
  await connection.receive()
  const started = performance.now()
  const growth = watchMemory()
  await connection.send(source())
  await take(connection)
  const seconds = (performance.now() - started) / 1000
  console.log(
    `the client grew by ${growth()}; ${(size / MIB / 1024).toFixed(1)} GiB each way in ${seconds.toFixed(1)} s`,
  )
  await connection.close()
}
