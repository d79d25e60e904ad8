// Echo what those send who have a token.
import { type Connection, getEventLoop, type IncomingHandshake, serve } from 'openline'

async function echo(connection: Connection): Promise<void> {
  for await (const message of connection) {
    if (message === 'bye') break
    await connection.send(message)
  }
}

// Plain requests come here, handshakes go to check.
function answer(request: Request): Response {
  if (new URL(request.url).pathname === '/health') return new Response('well\n')
  return new Response('not here\n', { status: 404 })
}

function check({ headers }: IncomingHandshake): Response | undefined {
  if (headers.authorization === 'Bearer abc') return undefined
  return new Response('who are you?\n', { status: 401 })
}

await using server = await serve(echo, {
  host: '127.0.0.1',
  port: Number(process.argv[2]),
  subprotocols: ['echo'],
  onRequest: answer,
  onHandshake: check,
})
console.log('port', server.port)
await getEventLoop().runForever()
