// What the figures were measured on; without it they mean nothing to anyone else.

import { execFileSync } from 'node:child_process'
import { cpus, loadavg, release, totalmem } from 'node:os'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memory: number
  /** The load average of the minute before the run: what else was going on. */
  readonly load: number
  readonly kernel: string
  readonly architecture: string
  /** The Node that runs the harness; that of the servers stands with each peer. */
  readonly node: string
  /** The commit that was checked out, with a mark if files differed; absent outside a repository. */
  readonly commit?: string
}

export function describeMachine(): Machine {
  const commit = currentCommit()
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memory: totalmem(),
    load: loadavg()[0] ?? 0,
    kernel: release(),
    architecture: process.arch,
    node: process.version,
    ...(commit === undefined ? {} : { commit }),
  }
}

function currentCommit(): string | undefined {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return undefined
  }
}
