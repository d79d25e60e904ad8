// Log in: try one name after the other until the server knows one.
import { connect } from 'openline'

async function logIn(url: string): Promise<void> {
  await using connection = await connect(url)
  for (const name of ['eve', 'hlq']) {
    await connection.send(name)
    const answer = await connection.receive()
    console.log(`${name}: ${answer}`)
    if (answer === 'True') break
  }
}

await logIn(process.argv[2]!)
