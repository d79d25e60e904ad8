// The services of the demonstration server, each a coroutine that reads like what it does.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection } from 'openline'

/** A service: where it is, what it does in a few words, and the coroutine that does it. */
export interface Route {
  readonly path: string
  readonly about: string
  handle(connection: Connection<Route>): Promise<void>
}

/** Send everything back: what echo.websocket.org did. */
async function echo(connection: Connection<Route>): Promise<void> {
  for await (const message of connection) await connection.send(message)
}

const names = new Set(['hlq', 'alice', 'bob'])

/** Listen until a name comes that is known. */
async function logIn(connection: Connection<Route>): Promise<void> {
  for await (const name of connection) {
    if (names.has(String(name))) {
      await connection.send('True')
      return
    }
    await connection.send('name is not exist')
  }
}

const chatters = new Set<Connection<Route>>()

/** Send what one says to everybody. */
async function chat(connection: Connection<Route>): Promise<void> {
  chatters.add(connection)
  try {
    for await (const message of connection) {
      // Nobody waits for a slow reader: what cannot leave yet is buffered, and the heartbeat ends dead lines.
      for (const chatter of chatters) void chatter.send(message)
    }
  } finally {
    chatters.delete(connection)
  }
}

/** Push the time each second, without being asked. */
async function tellTime(connection: Connection<Route>): Promise<void> {
  while (connection.state === 'open') {
    await connection.send(new Date().toISOString())
    await Promise.race([sleep(1000), connection.closed])
  }
}

/** All services by their path. */
export const routes: ReadonlyMap<string, Route> = new Map(
  [
    { path: '/', about: 'echo', handle: echo },
    { path: '/echo', about: 'echo', handle: echo },
    { path: '/login', about: 'the log-in dialogue: send names until one is known', handle: logIn },
    { path: '/chat', about: 'what one says goes to everybody', handle: chat },
    { path: '/time', about: 'the time, each second', handle: tellTime },
  ].map((route) => [route.path, route]),
)
