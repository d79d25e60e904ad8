// What every client of the benchmark does: open CONNECTIONS connections to URL and keep IN_FLIGHT messages going on
// each, by answering each message with one. The payload is the one that the server expects, of SIZE bytes and KIND.

import process from 'node:process'

export { announce, versionIn } from '../servers/contract.mjs'

export const url = process.env.URL
export const connections = Number(process.env.CONNECTIONS)
export const inFlight = Number(process.env.IN_FLIGHT)

/** What the load generator calls text-ascii: the printable characters again and again. */
export const message = Array.from({ length: Number(process.env.SIZE) }, (_, index) =>
  String.fromCharCode(32 + (index % 95)),
).join('')
