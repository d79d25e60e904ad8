// See on the error output what goes over the line.
import { connect, enableTrace } from 'openline'

enableTrace()
const connection = await connect(process.argv[2]!)
await connection.send('Hello, World')
console.log(await connection.receive())
await connection.close()
