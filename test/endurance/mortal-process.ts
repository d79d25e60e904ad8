// One end of a connection in a process of its own, which a test can kill, stop and wake. It is told by its parent what
// to do, and says what happened to it.

import { type CloseInfo, type Connection, connect, type ServeOptions, serve } from '../../src/index.ts'

/** Tell the process what to be. */
export interface MortalOrder {
  /** Where to connect to; a server when absent. */
  readonly url?: string
  readonly pingInterval?: number | false
  readonly pingTimeout?: number | false
  readonly closeTimeout?: number
  readonly maxMessageSize?: number
  readonly tls?: { readonly cert: string; readonly key: string }
  readonly ca?: string
}

/** What the process says. */
export type MortalReport =
  | { readonly port: number }
  | { readonly opened: true }
  | { readonly state: string }
  | { readonly woke: true }
  | { readonly closed: Pick<CloseInfo, 'code' | 'initiator' | 'diagnosis' | 'facts'> }

function report(message: MortalReport): void {
  process.send?.(message)
}

let connection: Connection | undefined

function watch(opened: Connection): void {
  connection = opened
  report({ opened: true })
  void opened.closed.then(({ code, initiator, diagnosis, facts }) =>
    report({ closed: { code, initiator, diagnosis, facts } }),
  )
}

async function run({ url, tls, ca, ...options }: MortalOrder): Promise<void> {
  const handler = {
    open: watch,
    message: (one: Connection, message: string | Uint8Array) => void one.send(message),
  }
  if (url !== undefined) {
    watch(
      await connect(url, {
        ...options,
        ...(ca === undefined ? {} : { tls: { ca } }),
        handler: { message: handler.message },
      }),
    )
    return
  }
  const serveOptions: ServeOptions = { ...options, host: '127.0.0.1', ...(tls === undefined ? {} : { tls }) }
  const server = await serve(handler, serveOptions)
  report({ port: server.port })
}

process.on('message', (order: MortalOrder | 'state' | { readonly block: number }) => {
  if (order === 'state') report({ state: connection?.state ?? 'none' })
  else if ('block' in order) {
    // Nothing else happens in this process meanwhile.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, order.block)
    report({ woke: true })
  } else void run(order)
})
process.on('disconnect', () => process.exit(0))
