// Owns the life of a process under test: start it, wait for its first line, read its CPU time and memory, stop it. It
// knows the contract of servers/contract.mjs and nothing of works or peers.

import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

/** How to start a program: its file and arguments, and what it needs in its environment. */
export interface Command {
  readonly file: string
  readonly args: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

/** CPU time in seconds, of all threads. */
export interface CpuTime {
  readonly user: number
  readonly system: number
}

export interface Subject {
  /** 0 of a client. */
  readonly port: number
  readonly version: string
  readonly runtime: string
  /** Returns the CPU time the process took so far. */
  cpuTime(): Promise<CpuTime>
  /** Returns the bytes that the process has in memory, after it collected its garbage. */
  memory(): Promise<number>
  /** Ends the process and waits until it is gone. */
  stop(): Promise<void>
}

const folder = fileURLToPath(new URL('..', import.meta.url))

/** Where things are kept that are made once: the compiled generator, a certificate. */
export function cacheFolder(): string {
  return `${folder}.cache/`
}

/** A runtime that needs longer to listen is stuck. */
const startTimeout = 15_000
/** SIGTERM gets so long before SIGKILL. */
const stopTimeout = 5_000

/** Starts a program, a server on a free loopback port. Throws with its own words if it does not come up. */
export async function startSubject(
  command: Command,
  environment: Readonly<Record<string, string>>,
  cpu?: number,
): Promise<Subject> {
  const { file, args } = pinned(command, cpu)
  const child = spawn(file, args, {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'pipe'],
    // A clean environment: options meant for the harness's own Node must not reach a measured process.
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      NODE_ENV: 'production',
      PORT: '0',
      ...command.environment,
      ...environment,
    },
  })
  const exited = once(child, 'exit').catch(() => undefined)
  // Writing to a process that just died is no failure of the harness.
  child.stdin.on('error', () => {})
  const errors = collect(child.stderr)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()

  const stop = async (): Promise<void> => {
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeout)
    child.kill('SIGTERM')
    await exited
    clearTimeout(timer)
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), startTimeout)
  try {
    // A file that cannot be run rejects here; standard output would only end without a word.
    await once(child, 'spawn')
    const first = await lines.next()
    if (first.done) throw new Error(reasonIn(errors()) ?? 'it ended without a word')
    const { port, version, runtime } = JSON.parse(first.value) as Announcement
    return {
      port,
      version,
      runtime,
      cpuTime: () => readCpu(child, lines),
      async memory() {
        child.stdin.write('memory\n')
        const line = await lines.next()
        if (line.done) throw new Error('the process ended')
        return (JSON.parse(line.value) as { resident: number }).resident
      },
      stop,
    }
  } catch (error) {
    if (child.pid !== undefined) await stop()
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/** Puts a program on one CPU, where taskset exists; `undefined` leaves it to the scheduler. */
export function pinned(command: Command, cpu: number | undefined): Command {
  if (cpu === undefined) return command
  return { ...command, file: 'taskset', args: ['-c', String(cpu), command.file, ...command.args] }
}

/** Returns a function that gives the end of what a stream said, for the reason of a failure. */
export function collect(stream: Readable): () => string {
  let text = ''
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    text = (text + chunk).slice(-8192)
  })
  return () => text
}

interface Announcement {
  port: number
  version: string
  runtime: string
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>

async function readCpu(child: Child, lines: AsyncIterator<string>): Promise<CpuTime> {
  const stat = `/proc/${child.pid}/stat`
  if (existsSync(stat)) {
    // man 5 proc: utime and stime are fields 14 and 15, in clock ticks. The second field, the program's
    // name, may hold spaces and brackets, so counting begins after its closing bracket.
    const text = readFileSync(stat, 'latin1')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { user: Number(fields[11]) / ticksPerSecond(), system: Number(fields[12]) / ticksPerSecond() }
  }
  child.stdin.write('usage\n')
  const line = await lines.next()
  if (line.done) throw new Error('the process ended')
  const { user, system } = JSON.parse(line.value) as NodeJS.CpuUsage
  return { user: user / 1e6, system: system / 1e6 }
}

let ticks: number | undefined

function ticksPerSecond(): number {
  if (ticks === undefined) {
    try {
      ticks = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
    } catch {
      ticks = 100 // what every common Linux has
    }
  }
  return ticks
}

/** The line of an error output that names the error; runtimes print a stack and a banner around it. */
function reasonIn(text: string): string | undefined {
  const lines = text.split('\n').map((line) => line.trim())
  return lines.find((line) => /error\b.*:/i.test(line)) ?? lines.findLast((line) => line !== '')
}
