// Owns the load generator: compiles load/*.c once per version of its sources, and runs it so that the caller can look
// at the process under test between the phases, while nothing is under way.

import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { cacheFolder, collect, pinned } from './process.ts'

/** What the generator does: see load/. In the mode `serve` it is the server, and clients are under test. */
export type Mode = 'echo' | 'broadcast' | 'latency' | 'open' | 'serve'

/** All but `json` are one message again and again; `json` are documents that differ in what they say. */
export type PayloadKind = 'text-ascii' | 'text-chinese' | 'binary' | 'json'

/** With permessage-deflate, and whether messages are compressed with what went before in mind. */
export type Compression = 'takeover' | 'no-takeover'

/** What is done to a process. */
export interface Load {
  readonly connections: number
  readonly inFlight?: number
  /** Bytes of payload. */
  readonly size?: number
  readonly kind?: PayloadKind
  /** Connections that are opened and closed before, for the mode `open`. */
  readonly warmUpConnections?: number
  /** How many times those are opened and closed; once if absent. */
  readonly warmUpRounds?: number
  /** Messages that each connection sends and gets back before it falls silent, for the mode `open`. */
  readonly messages?: number
  /** Messages a second, for the mode `latency`. */
  readonly rate?: number
}

export interface Timing {
  readonly duration: number
  readonly warmUp: number
}

/** Microseconds. */
export interface Percentiles {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

/** What a server agreed to, and what messages were compressed to: mean bytes of payload. */
export interface CompressionFigures {
  /** The Sec-WebSocket-Extensions of its response. */
  readonly extension: string
  /** By the generator, at zlib's defaults with the window that was agreed. */
  readonly sent: number
  /** By the process under test. */
  readonly received: number
}

export interface LoadResult {
  readonly messages: number
  readonly seconds: number
  /** What the generator itself took; near a whole core it was the bottleneck, not the process under test. */
  readonly cpuSeconds: number
  readonly cpuUtilisation: number
  /** From the time a message was due to its echo. */
  readonly latency?: Percentiles
  /** How much later than due the generator sent. */
  readonly lateness?: { readonly p50: number; readonly p99: number; readonly max: number }
  readonly compression?: CompressionFigures
}

export interface Generator {
  readonly file: string
  /** Why it cannot speak TLS; absent where it can. */
  readonly noTls?: string
  /** Why it cannot compress; absent where it can. */
  readonly noCompression?: string
}

const sources = fileURLToPath(new URL('../load/', import.meta.url))
const flags = ['-O2', '-Wall', '-Wextra']

/** A library that only some works need. */
interface Library {
  readonly define: string
  readonly header: string
  readonly link: readonly string[]
  readonly missing: string
}

const openssl: Library = {
  define: '-DWITH_TLS',
  header: 'openssl/ssl.h',
  link: ['-lssl', '-lcrypto'],
  missing: 'TLS needs OpenSSL’s headers for the load generator (Debian: libssl-dev)',
}
const zlib: Library = {
  define: '-DWITH_ZLIB',
  header: 'zlib.h',
  link: ['-lz'],
  missing: 'compression needs zlib’s headers for the load generator (Debian: zlib1g-dev)',
}
/** Opening many connections takes its time; the program's own limits end a stall sooner. */
const slack = 90_000

/** Compiles the load generator if need be, with those of the libraries that are here. */
export function compileGenerator(): Generator {
  if (process.platform !== 'linux') throw new Error('The load generator uses epoll: it needs Linux.')
  const hasTls = isInstalled(openssl)
  const hasCompression = isInstalled(zlib)
  const file = compile([...(hasTls ? [openssl] : []), ...(hasCompression ? [zlib] : [])])
  return {
    file,
    ...(hasTls ? {} : { noTls: openssl.missing }),
    ...(hasCompression ? {} : { noCompression: zlib.missing }),
  }
}

class NoCompilerError extends Error {}

function isInstalled({ header }: Library): boolean {
  try {
    cc(['-fsyntax-only', '-x', 'c', '-'], `#include <${header}>\n`)
    return true
  } catch (error) {
    if (error instanceof NoCompilerError) throw error
    return false
  }
}

function compile(libraries: readonly Library[]): string {
  const names = readdirSync(sources).filter((file) => /\.[ch]$/.test(file))
  const defines = libraries.map(({ define }) => define)
  const hash = createHash('sha256').update([...flags, ...defines].join(' '))
  for (const file of names) hash.update(file).update(readFileSync(sources + file))
  const file = `${cacheFolder()}load-${hash.digest('hex').slice(0, 12)}`
  if (existsSync(file)) return file
  mkdirSync(cacheFolder(), { recursive: true })
  const fresh = `${file}.${process.pid}`
  const inputs = names.filter((file) => file.endsWith('.c')).map((file) => sources + file)
  cc([...flags, ...defines, '-o', fresh, ...inputs, ...libraries.flatMap(({ link }) => link)])
  // Renamed at the end: an interrupted compiler leaves nothing behind that looks complete.
  renameSync(fresh, file)
  return file
}

function cc(args: readonly string[], input = ''): void {
  try {
    execFileSync('cc', args, { input, stdio: 'pipe' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new NoCompilerError(
      'The load generator is written in C: it needs a compiler called cc, and there is none.',
    )
  }
}

/** What the caller does between the phases. */
export interface Phases {
  /** The generator listens there: only in the mode `serve`, before anything else. */
  onListening?(port: number): Promise<void>
  /** Warm-up is over and nothing is under way. */
  onReady(): Promise<void>
  /** All that counts is done, and nothing is under way. */
  onDone(): Promise<void>
}

/** Runs the generator against a port (0 in the mode `serve`). */
export async function runGenerator(
  generator: Generator,
  mode: Mode,
  port: number,
  load: Load,
  timing: Timing,
  options: {
    readonly tls: boolean
    readonly compression: Compression | undefined
    readonly cpu: number | undefined
  },
  phases: Phases,
): Promise<LoadResult> {
  const given: Record<string, string | number | undefined> = {
    port: mode === 'serve' ? undefined : port,
    connections: load.connections,
    'in-flight': load.inFlight,
    size: load.size,
    kind: load.kind,
    rate: load.rate,
    'warm-up-connections': load.warmUpConnections,
    'warm-up-rounds': load.warmUpRounds,
    messages: load.messages,
    deflate: options.compression,
    duration: mode === 'open' ? undefined : timing.duration,
    'warm-up': mode === 'open' ? undefined : timing.warmUp,
  }
  const args = Object.entries(given).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}=${value}`],
  )
  if (options.tls) args.push('--tls')
  const command = pinned({ file: generator.file, args: [mode, ...args] }, options.cpu)
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
    if (mode === 'serve') await phases.onListening?.((JSON.parse(await nextLine()) as { port: number }).port)
    await nextLine()
    await phases.onReady()
    child.stdin.write('go\n')
    const result = JSON.parse(await nextLine()) as LoadResult
    await phases.onDone()
    child.stdin.write('end\n')
    return result
  } finally {
    clearTimeout(timer)
    child.kill()
    await exited
  }
}
