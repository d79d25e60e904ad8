// What the tests of servers and clients share: servers that end with their test, logs that are kept, temporary
// paths.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Connection, Logger, ServeOptions, Server, ServerHandler } from '../../src/index.ts'
import { serve } from '../../src/index.ts'
import { RawClient } from '../support/raw-client.ts'

/** Keep what is logged. */
export class MemoryLog implements Logger {
  readonly lines: unknown[][] = []

  error(...values: unknown[]): void {
    this.lines.push(values)
  }

  /** The first values: the sentences of ours. */
  get sentences(): unknown[] {
    return this.lines.map(([sentence]) => sentence)
  }
}

/** A promise that is settled from outside. */
export interface Deferred<Value> {
  readonly promise: Promise<Value>
  resolve(value: Value): void
}

export function defer<Value = void>(): Deferred<Value> {
  let resolve!: (value: Value) => void
  const promise = new Promise<Value>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

/** Send every message back. */
export async function echo<Data>(connection: Connection<Data>): Promise<void> {
  for await (const message of connection) await connection.send(message)
}

/** Stay until the connection is closed. */
export async function stay<Data>(connection: Connection<Data>): Promise<void> {
  await connection.closed
}

/** Serve on the loopback until the test ends. */
export async function start<Data = unknown>(
  handler: ServerHandler<Data>,
  options: ServeOptions<Data> = {},
): Promise<Server<Data>> {
  const isSomewhere = options.host !== undefined || options.path !== undefined
  const server = await serve(handler, isSomewhere ? options : { host: '127.0.0.1', ...options })
  // A test that failed half-way must not wait for its peers.
  onTestFinished(() => server.close({ timeout: 200 }))
  return server
}

/** Where a raw client reaches a server. */
export function at({ port, host }: { readonly port: number; readonly host: string }): {
  port: number
  host: string
} {
  return { port, host }
}

/** Connect a raw client to a server. */
export function rawTo(server: { readonly port: number; readonly host: string }): Promise<RawClient> {
  return RawClient.connect(at(server))
}

/** A folder of its own for each test, gone afterwards. */
export function temporaryPath(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'openline-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, name)
}

/** Wait for an error and return it. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('it was expected to reject, and did not')
}
