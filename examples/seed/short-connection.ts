// A short connection: connect, send, receive, close.
// The Python program that it follows line by line is short_connection.py beside it.
import { connect } from 'openline'

const connection = await connect(process.argv[2] ?? 'ws://localhost:8765/echo')
console.log("Sending 'Hello, World'...")
await connection.send('Hello, World')
console.log('Sent')
console.log('Receiving...')
const result = await connection.receive()
console.log(`Received '${result}'`)
await connection.close()
