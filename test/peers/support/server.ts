// Servers of ours for one test each.

import { onTestFinished } from 'vitest'
import {
  type Connection,
  type ServeOptions,
  type Server,
  type ServerHandler,
  serve,
} from '../../../src/index.ts'

/** Serve on 127.0.0.1 until the test is over. */
export async function startServer<Data = unknown>(
  handler: ServerHandler<Data>,
  options: ServeOptions<Data> = {},
): Promise<Server<Data>> {
  const where = options.path === undefined && options.host === undefined ? { host: '127.0.0.1' } : {}
  const server = await serve(handler, { ...where, ...options })
  onTestFinished(() => server.close({ timeout: 1000 }))
  return server
}

/** Send everything back. */
export async function echo(connection: Connection): Promise<void> {
  for await (const message of connection) await connection.send(message)
}

/** Serve one connection that the test itself holds. */
export async function startServerForOne(
  options: ServeOptions = {},
): Promise<{ readonly server: Server; readonly opened: Promise<Connection> }> {
  let open!: (connection: Connection) => void
  const opened = new Promise<Connection>((resolve) => {
    open = resolve
  })
  const server = await startServer(async (connection) => {
    open(connection)
    await connection.closed
  }, options)
  return { server, opened }
}
