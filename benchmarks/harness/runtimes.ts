// The Nodes that servers and clients are measured on.

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface Runtime {
  /** Such as "Node 24". */
  readonly title: string
  readonly file: string
}

/** The Node that npm installed beside the peers, then the one that runs this. */
export function defaultRuntimes(): Runtime[] {
  const installed = fileURLToPath(
    new URL(`../node_modules/node-linux-${process.arch}/bin/node`, import.meta.url),
  )
  const files = existsSync(installed) ? [installed, process.execPath] : [process.execPath]
  const runtimes = files.map(asRuntime)
  return runtimes.filter(
    ({ title }, index) => runtimes.findIndex((runtime) => runtime.title === title) === index,
  )
}

/** Asks a Node for its version. */
export function asRuntime(file: string): Runtime {
  const version = execFileSync(file, ['--version'], { encoding: 'utf8' }).trim().slice(1)
  return { title: `Node ${version.split('.')[0]}`, file }
}
