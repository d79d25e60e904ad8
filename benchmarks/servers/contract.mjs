// What every process of the benchmark owes the harness: it says on its first line of output where it listens (a
// server) and what it is, answers lines of input, and ends with SIGTERM or when its standard input ends.
//   environment: PORT (0: any free one), WORK (echo, for-await or broadcast), TLS_KEY and TLS_CERT (files), COMPRESSION
//                (takeover or no-takeover: agree to permessage-deflate so, and send every message compressed)
//   input:       "usage" is answered with the CPU time, "memory" with the resident memory after a collection
//
// The programs are plain JavaScript, so that no loader that rewrites modules runs in a measured process.

import { readFileSync } from 'node:fs'
import process from 'node:process'

export const port = Number(process.env.PORT ?? 0)
export const host = '127.0.0.1'
export const work = process.env.WORK ?? 'echo'

/** The same limit for all, above the largest message of the works. */
export const maxMessageSize = 16 * 1024 * 1024

/** How messages are compressed, where the work wants it. */
export const compression = process.env.COMPRESSION
export const hasTakeover = compression === 'takeover'

/** Key and certificate, where the work wants TLS. */
export const tls =
  process.env.TLS_KEY === undefined
    ? undefined
    : { key: readFileSync(process.env.TLS_KEY), cert: readFileSync(process.env.TLS_CERT) }

export function announce(actualPort, version, runtime = `Node ${process.version.slice(1)}`) {
  process.stdin.setEncoding('utf8')
  process.stdin.on('data', (line) => {
    if (line.startsWith('usage')) console.log(JSON.stringify(process.cpuUsage()))
    if (line.startsWith('memory')) void answerMemory()
  })
  // A harness that was killed cannot send SIGTERM; its pipe ends all the same.
  process.stdin.on('end', () => process.exit())
  // Profiles are written at an orderly exit only.
  process.on('SIGTERM', () => process.exit())
  console.log(JSON.stringify({ port: actualPort, version, runtime }))
}

/** The version in a package.json, given as a path from this folder. */
export function versionIn(path) {
  return JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')).version
}

async function answerMemory() {
  // What opening the connections left behind takes a few collections: finalizers run between them.
  for (let turn = 0; turn < 4; turn++) {
    if (globalThis.Bun) globalThis.Bun.gc(true)
    else globalThis.gc?.()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  console.log(JSON.stringify({ resident: process.memoryUsage.rss() }))
}
