// Send a file in one message, tell how far it is, and compare what arrived.
// usage: npx tsx --conditions=openline-source examples/file-transfer/client.ts FILE [URL]
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { connect } from 'openline'

const [path, server = 'ws://localhost:8765/'] = process.argv.slice(2)
if (path === undefined) {
  console.error('usage: npx tsx --conditions=openline-source examples/file-transfer/client.ts FILE [URL]')
  process.exit(2)
}
const { size } = await stat(path)
const hash = createHash('sha256')

async function* readFile(path: string): AsyncGenerator<Uint8Array> {
  let sent = 0
  let told = 0
  for await (const piece of createReadStream(path) as AsyncIterable<Uint8Array>) {
    hash.update(piece)
    yield piece
    // Whoever asks for the next piece has sent this one.
    sent += piece.length
    const tenths = Math.floor((10 * sent) / size)
    if (tenths > told) console.log(`${10 * tenths} %`)
    told = tenths
  }
}

const url = new URL(server)
url.searchParams.set('name', basename(path))
await using connection = await connect(url)
try {
  await connection.send(readFile(path))
  const arrived = JSON.parse(String(await connection.receive()))
  const isSame = arrived.size === size && arrived.sha256 === hash.digest('hex')
  console.log(isSame ? `${size} bytes arrived as they are` : 'something else arrived')
  if (!isSame) process.exitCode = 1
} catch (error) {
  process.exitCode = 1
  console.log(error instanceof Error ? error.message : error)
}
