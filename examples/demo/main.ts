// The demonstration server: four small services on one port, and a page that talks to all of them.
// usage: npm start [-- --port PORT]
import { parseArgs } from 'node:util'
import { getEventLoop, type Server, serve } from 'openline'
import { page } from './page.ts'
import { type Route, routes } from './routes.ts'

function readPort(): number {
  const { values } = parseArgs({ options: { port: { type: 'string' } } })
  const text = values.port ?? (process.env.PORT || '8765')
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65535) {
    throw new Error(`the port must be a whole number from 0 to 65535, not "${text}"`)
  }
  return port
}

function log(text: string): void {
  console.log(`${new Date().toISOString().slice(11, 19)}  ${text}`)
}

async function start(port: number): Promise<Server<Route>> {
  return serve<Route>(
    async (connection) => {
      const who = `${connection.data.path} ${connection.id.slice(0, 8)}`
      log(`+ ${who} from ${connection.remoteAddress?.host ?? 'a socket'}`)
      void connection.closed.then(({ diagnosis }) => log(`- ${who}: ${diagnosis}`))
      await connection.data.handle(connection)
    },
    {
      port,
      onHandshake: ({ url }) =>
        routes.get(url.pathname) ?? new Response(`there is no ${url.pathname}\n`, { status: 404 }),
      onRequest: (request) =>
        new URL(request.url).pathname === '/'
          ? new Response(page, { headers: { 'Content-Type': 'text/html; charset=utf-8' } })
          : new Response('not found\n', { status: 404 }),
    },
  )
}

try {
  const server = await start(readPort())
  const { port } = server
  console.log(`openline is listening on port ${port}; stop it with Ctrl-C\n`)
  console.log(`  in a browser   http://localhost:${port}/`)
  for (const { path, about } of routes.values()) {
    console.log(`  ${`ws://localhost:${port}${path}`.padEnd(36)} ${about}`)
  }
  console.log()
  const loop = getEventLoop()
  await loop.runForever()
  log(`stopping: saying goodbye to ${server.connections.size} connections`)
  await server.close({ timeout: 5000 })
  log('stopped')
  loop.close()
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException
  console.error(
    code === 'EADDRINUSE'
      ? 'this port is in use: choose another with --port or PORT, or stop the program that has it'
      : `openline could not start: ${message}`,
  )
  process.exitCode = 1
}
