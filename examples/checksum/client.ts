// Send messages of several kinds to an echo, with a checksum behind each where the server knows it.
// usage: npx tsx --conditions=openline-source examples/checksum/client.ts [URL]
import { connect } from 'openline'
import { checksum } from './checksum.ts'

function* count(): Generator<string> {
  for (let number = 1; number <= 1000; number++) yield `${number} `
}

const connection = await connect(process.argv[2] ?? 'ws://localhost:8765/', { extensions: [checksum] })
console.log(`agreed on ${connection.extensions || 'no extensions'}`)
try {
  await connection.send('Hello, World')
  console.log(await connection.receive())
  await connection.send(Uint8Array.of(1, 2, 3))
  console.log(await connection.receive())
  await connection.send(count())
  console.log(`${String(await connection.receive()).length} characters in pieces`)
} catch {
  process.exitCode = 1
}
const { diagnosis } = await connection.close()
console.log(diagnosis)
