// Read what comes until the server has closed.
import { connect } from 'openline'

async function read(url: string): Promise<void> {
  await using connection = await connect(url, {
    subprotocols: ['prices.v2', 'prices.v1'],
    headers: { Authorization: 'Bearer abc' },
    origin: 'https://shop.example',
    openTimeout: 20_000,
    maxMessageSize: 64 * 1024,
  })
  console.log(connection.subprotocol)
  // Sends the ping and waits for its pong.
  await connection.ping()
  // A list is one message in fragments.
  await connection.send(['eggs, ', 'milk'])
  await connection.send(Uint8Array.of(1, 2, 3))
  for await (const message of connection) console.log(message)
  const { code, reason } = await connection.closed
  console.log(code, reason)
}

await read(process.argv[2]!)
