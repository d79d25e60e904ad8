// A short connection: connect, send, receive, close.
import { connect } from 'openline'

const connection = await connect(process.argv[2]!, {
  openTimeout: 20_000,
  headers: { 'X-Device': '7' },
  cookies: 'session=abc',
  origin: 'https://shop.example',
  subprotocols: ['echo'],
})
console.log(connection.subprotocol)
await connection.send('Hello, World')
console.log(await connection.receive({ timeout: 20_000 }))
await connection.send(Uint8Array.of(1, 2, 3))
console.log((await connection.receive({ timeout: 20_000 })).length)
await connection.ping('still there?')
await connection.close()
