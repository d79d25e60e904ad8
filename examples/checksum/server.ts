// An echo that wants to know of each damaged message.
// usage: npx tsx --conditions=openline-source examples/checksum/server.ts [PORT]
import { type Connection, getEventLoop, serve } from 'openline'
import { checksum } from './checksum.ts'

async function echo(connection: Connection): Promise<void> {
  console.log(`+ ${connection.extensions || 'no extensions'}`)
  void connection.closed.then(({ diagnosis }) => console.log(`- ${diagnosis}`))
  for await (const message of connection) await connection.send(message)
}

await using server = await serve(echo, {
  host: 'localhost',
  port: Number(process.argv[2] ?? 8765),
  extensions: [checksum],
})
console.log(`listening on port ${server.port}`)
await getEventLoop().runForever()
