// Come back whenever the connection is lost, until the server has said all.
import { ConnectionClosedError, reconnect } from 'openline'

async function stay(url: string): Promise<void> {
  for await (const connection of reconnect(url)) {
    try {
      await connection.send('I am here')
      for await (const message of connection) {
        console.log(message)
        // Leaving the outer loop closes the connection.
        if (message === 'that is all') return
      }
    } catch (error) {
      if (!(error instanceof ConnectionClosedError)) throw error
      console.error(error.message)
    }
  }
}

await stay(process.argv[2]!)
