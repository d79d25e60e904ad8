// Tell everybody what one of them says.
import { broadcast, type Connection, getEventLoop, serve } from 'openline'

async function chat(connection: Connection): Promise<void> {
  for await (const message of connection) broadcast(server.connections, message)
}

await using server = await serve(chat, { host: '127.0.0.1', port: Number(process.argv[2]) })
console.log('port', server.port)
await getEventLoop().runForever()
