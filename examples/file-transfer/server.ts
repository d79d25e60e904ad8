// Take files: each is one message, which goes to disk as it arrives. The answer is what arrived, for comparison.
// usage: npx tsx --conditions=openline-source examples/file-transfer/server.ts [FOLDER] [PORT]
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type Connection, getEventLoop, type Message, serve } from 'openline'

const [folder = join(tmpdir(), 'uploads'), port = '8765'] = process.argv.slice(2)
const GIB = 1024 ** 3

async function store(connection: Connection<string>): Promise<void> {
  const path = join(folder, connection.data)
  // Two may send a file of the same name; the one that is complete last stays.
  const part = `${path}.${connection.id}.part`
  const hash = createHash('sha256')
  let size = 0
  async function* watch(pieces: AsyncIterable<Message>): AsyncGenerator<Message> {
    for await (const piece of pieces) {
      hash.update(piece)
      size += piece.length
      yield piece
    }
  }
  try {
    await pipeline(connection.receiveStream(), watch, createWriteStream(part))
    await rename(part, path)
  } catch (error) {
    await rm(part, { force: true })
    console.log(`- ${path}: ${error instanceof Error ? error.message : error}`)
    throw error
  }
  console.log(`+ ${path}, ${size} bytes`)
  await connection.send(JSON.stringify({ size, sha256: hash.digest('hex') }))
}

/** Choose the name under which a file is stored: never a path, which could lead anywhere. */
function chooseName(url: URL): string | Response {
  const name = basename(url.searchParams.get('name') ?? '')
  const isName = /^[^.\0][^\0]*$/.test(name)
  return isName ? name : new Response('say ?name=… what the file is called\n', { status: 400 })
}

await mkdir(folder, { recursive: true })
await using server = await serve<string>(store, {
  host: 'localhost',
  port: Number(port),
  accept: 'binary',
  maxStreamSize: 10 * GIB,
  onHandshake: ({ url }) => chooseName(url),
})
console.log(`listening on port ${server.port}`)
await getEventLoop().runForever()
