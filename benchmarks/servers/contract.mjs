// What every echo server of the benchmark owes the harness: it listens on 127.0.0.1 at the port in PORT
// (0: any free one), says on its first line of output where it listens and what it is, answers the line
// "usage" with its CPU time, and ends with SIGTERM or when its standard input ends.
//
// The servers are plain JavaScript, so that no loader that rewrites modules runs in a measured process.

import { readFileSync } from 'node:fs'
import process from 'node:process'

export const port = Number(process.env.PORT ?? 0)
export const host = '127.0.0.1'

/** The same limit for all, above the largest message of the works. */
export const maxMessageSize = 16 * 1024 * 1024

export function announce(actualPort, version, runtime = `Node ${process.version.slice(1)}`) {
  process.stdin.setEncoding('utf8')
  process.stdin.on('data', (line) => {
    if (line.startsWith('usage')) console.log(JSON.stringify(process.cpuUsage()))
  })
  // A harness that was killed cannot send SIGTERM; its pipe ends all the same.
  process.stdin.on('end', () => process.exit())
  console.log(JSON.stringify({ port: actualPort, version, runtime }))
}

/** The version in a package.json, given as a path from this folder. */
export function versionIn(path) {
  return JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')).version
}
