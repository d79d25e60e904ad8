// The log-in dialogue, client: ask on the terminal until the server knows the name.
// The Python program that it follows line by line is login_client.py beside it.
import { createInterface } from 'node:readline'
import { connect, getEventLoop } from 'openline'

async function logIn(): Promise<void> {
  await using connection = await connect(process.argv[2] ?? 'ws://localhost:8765/login')
  const terminal = createInterface({
    input: process.stdin,
    output: process.stdout,
    prompt: "What's your name? ",
  })
  terminal.prompt()
  for await (const name of terminal) {
    await connection.send(name)
    const answer = await connection.receive()
    console.log(answer)
    if (answer === 'True') break
    terminal.prompt()
  }
  terminal.close()
}

await getEventLoop().runUntilComplete(logIn())
