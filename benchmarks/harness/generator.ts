// Owns the load generator: compiles load/load.c once per version of its source, and runs it so that the
// caller can look at the server between warm-up and measuring, while nothing is under way.

import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { collect, pinned } from './process.ts'

export type PayloadKind = 'text-ascii' | 'text-chinese' | 'binary'

/** What is sent to a server. */
export interface Load {
  readonly connections: number
  readonly inFlight: number
  /** Bytes of payload. */
  readonly size: number
  readonly kind: PayloadKind
}

export interface Timing {
  readonly duration: number
  readonly warmUp: number
}

export interface LoadResult {
  readonly messages: number
  readonly seconds: number
  /** What the generator itself took; near a whole core it was the bottleneck, not the server. */
  readonly cpuSeconds: number
  readonly cpuUtilisation: number
}

const source = fileURLToPath(new URL('../load/load.c', import.meta.url))
const cache = fileURLToPath(new URL('../.cache/', import.meta.url))
const flags = ['-O2', '-Wall', '-Wextra']
/** Opening many connections takes its time; the program's own limits end a stall sooner. */
const slack = 60_000

/** Compiles the load generator if need be and returns its file. */
export function compileGenerator(): string {
  if (process.platform !== 'linux') throw new Error('The load generator uses epoll: it needs Linux.')
  const version = createHash('sha256').update(readFileSync(source)).update(flags.join(' ')).digest('hex')
  const file = `${cache}load-${version.slice(0, 12)}`
  if (existsSync(file)) return file
  mkdirSync(cache, { recursive: true })
  const fresh = `${file}.${process.pid}`
  try {
    execFileSync('cc', [...flags, '-o', fresh, source], { stdio: ['ignore', 'inherit', 'inherit'] })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new Error('The load generator is written in C: it needs a compiler called cc, and there is none.')
  }
  // Renamed at the end: an interrupted compiler leaves nothing behind that looks complete.
  renameSync(fresh, file)
  return file
}

/** Loads the server at this port. `onReady` runs between warm-up and measuring, while all is quiet. */
export async function runGenerator(
  file: string,
  port: number,
  load: Load,
  timing: Timing,
  onReady: () => Promise<void>,
  cpu?: number,
): Promise<LoadResult> {
  const args = {
    port,
    connections: load.connections,
    'in-flight': load.inFlight,
    size: load.size,
    kind: load.kind,
    duration: timing.duration,
    'warm-up': timing.warmUp,
  }
  const command = pinned(
    { file, args: Object.entries(args).map(([name, value]) => `--${name}=${value}`) },
    cpu,
  )
  const child = spawn(command.file, command.args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const exited = once(child, 'exit').catch(() => undefined)
  child.stdin.on('error', () => {})
  const errors = collect(child.stderr)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const timer = setTimeout(() => child.kill('SIGKILL'), timing.duration + timing.warmUp + slack)
  const nextLine = async (): Promise<string> => {
    const line = await lines.next()
    if (!line.done) return line.value
    await exited
    throw new Error(errors().trim() || 'the load generator ended without a result')
  }
  try {
    await once(child, 'spawn')
    await nextLine()
    await onReady()
    child.stdin.write('go\n')
    return JSON.parse(await nextLine()) as LoadResult
  } finally {
    clearTimeout(timer)
    child.kill()
    await exited
  }
}
