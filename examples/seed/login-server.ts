// The log-in dialogue, server: it listens until it hears a name that it knows.
// The Python program that it follows line by line is login_server.py beside it.
import { type Connection, getEventLoop, serve } from 'openline'

const names = ['hlq', 'alice', 'bob']

async function logIn(connection: Connection): Promise<void> {
  for await (const name of connection) {
    if (names.includes(String(name))) {
      await connection.send('True')
      break
    }
    await connection.send('name is not exist')
  }
}

async function main(): Promise<void> {
  await using server = await serve(logIn, { host: 'localhost', port: Number(process.argv[2] ?? 8765) })
  console.log(`listening on port ${server.port}`)
  await loop.runForever()
}

const loop = getEventLoop()
await main()
