// A server in a process of its own, so that its memory can be told from that of its clients. Speaks to its parent
// by messages: it says where it listens, and when asked how much memory it holds, or only that its loop turns.

import { type Server, serve } from '../../src/index.ts'

/** What the process reports. */
export interface Report {
  /** Bytes of objects, strings and buffers that are in use. */
  readonly memory: number
  readonly connections: number
  /** What was logged. */
  readonly log: readonly string[]
}

const log: string[] = []

async function run(): Promise<void> {
  const server: Server = await serve(
    async (connection) => {
      for await (const message of connection) await connection.send(message)
    },
    {
      host: '127.0.0.1',
      logger: {
        error: (...values) => void log.push(values.map(String).join(' ')),
      },
    },
  )
  process.on('message', (question) => {
    if (question === 'turn') {
      process.send!('turn')
      return
    }
    const collect = (globalThis as { gc?: () => void }).gc
    collect?.()
    collect?.()
    const { heapUsed, external } = process.memoryUsage()
    // `external` holds buffers as well.
    const report: Report = { memory: heapUsed + external, connections: server.connections.size, log }
    process.send!(report)
  })
  process.on('disconnect', () => process.exit(0))
  process.send!({ port: server.port })
}

await run()
