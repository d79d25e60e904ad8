// The three programs that this began with, in TypeScript and in Python, run as a user runs them.

import { PYTHONS, type Python } from './peers.ts'
import { type Exit, Program, startExample } from './program.ts'

/** What runs a program: our TypeScript, or one of the Pythons. */
export type Runner = 'TypeScript' | Python

/** What a program showed. */
export interface Run {
  readonly lines: readonly string[]
  readonly stderr: string
  readonly exit: Exit
}

/** What each program shows with any server that echoes, or logs in. */
export const SHORT_LINES: readonly string[] = [
  "Sending 'Hello, World'...",
  'Sent',
  'Receiving...',
  "Received 'Hello, World'",
]
export const LONG_LINES: readonly string[] = ['Hello 0', 'Hello 1', 'Hello 2', 'done', '### closed ###']
export const LOGIN_LINES: readonly string[] = [
  "What's your name? name is not exist",
  "What's your name? True",
]

/** Start one of examples/seed: `short_connection` is short_connection.py and short-connection.ts. */
export function startSeed(name: string, runner: Runner, ...args: readonly string[]): Program {
  return runner === 'TypeScript'
    ? startExample(`seed/${name.replaceAll('_', '-')}.ts`, args)
    : new Program(PYTHONS[runner], [`examples/seed/${name}.py`, ...args])
}

export async function runShortConnection(runner: Runner, url: string): Promise<Run> {
  return finish(startSeed('short_connection', runner, url))
}

/**
 * Run the long connection. In Python its last two lines come from two threads, in any order and even into each other:
 * `done` is put first. websocket-client 1.2 forgets `on_close` when its own `close()` hears the server's close frame,
 * and later releases can take ten seconds to find that they are closed.
 */
export async function runLongConnection(runner: Runner, url: string): Promise<Run> {
  const run = await finish(startSeed('long_connection', runner, url))
  const [done, closed] = ['done', '### closed ###'] as const
  const printed = run.lines.flatMap((line) => line.split(/(### closed ###)/)).filter((line) => line !== '')
  const lines = printed.filter((line) => line !== done && line !== closed)
  if (printed.includes(done)) lines.push(done)
  if (printed.includes(closed) || runner === 'Debian') lines.push(closed)
  return { ...run, lines }
}

/** Run the log-in dialogue as a person does: read the question, then answer. */
export async function runLogin(runner: Runner, url: string): Promise<Run> {
  const program = startSeed('login_client', runner, url)
  await program.waitFor(/^What's your name\? $/)
  program.write('eve\n')
  await program.waitFor(/\nWhat's your name\? $/)
  program.write('hlq\n')
  return finish(program)
}

async function finish(program: Program): Promise<Run> {
  const exit = await program.exit()
  return { lines: program.lines, stderr: program.stderr, exit }
}
