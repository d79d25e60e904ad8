// Child processes: started with a known environment, read as text, waited for in bounded time, and ended by their
// pid. Must not know which programs they are.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'

/** How long a child may take for what takes it a second on an idle machine, in ms. */
export const PATIENCE = 30_000

/** How a child ended: one of the two is `null`, as Node reports it. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** Set up a child. */
export interface ProgramOptions {
  /** More environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Signal its children as well, as a terminal does on Ctrl-C. */
  readonly group?: boolean
}

const running = new Set<Program>()

/** End all children that still run; for `afterAll`. */
export async function endPrograms(): Promise<void> {
  await Promise.all([...running].map((program) => program.end()))
}

/** One child process. */
export class Program {
  /** What it wrote so far. */
  stdout = ''
  stderr = ''
  readonly #command: string
  readonly #child: ChildProcessWithoutNullStreams
  readonly #exited: Promise<Exit>
  readonly #watchers = new Set<() => void>()
  #exit: Exit | undefined

  readonly #hasGroup: boolean

  constructor(command: string, args: readonly string[], options: ProgramOptions = {}) {
    this.#command = `${command} ${args.join(' ')}`
    const env = { ...inheritedEnvironment(), ...options.env }
    this.#hasGroup = options.group ?? false
    this.#child = spawn(command, args, { env, detached: this.#hasGroup })
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
      this.#notify()
    })
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
      this.#notify()
    })
    // Who writes to a child that has ended hears of it by the exit.
    this.#child.stdin.on('error', () => {})
    running.add(this)
    this.#exited = new Promise((resolve) => {
      const finish = (exit: Exit): void => {
        running.delete(this)
        this.#exit = exit
        resolve(exit)
        this.#notify()
      }
      this.#child.once('error', (error) => {
        this.stderr += error.message
        finish({ code: 127, signal: null })
      })
      this.#child.once('close', (code, signal) => finish({ code, signal }))
    })
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** The lines of its output, without the last line break. */
  get lines(): string[] {
    return this.stdout.replace(/\n$/, '').split('\n')
  }

  /** Have a function called whenever something was written, and at the end. */
  onOutput(callback: () => void): void {
    this.#watchers.add(callback)
  }

  /** Wait until the output matches, and give the match. Rejects when the child ends before, or in `PATIENCE` ms. */
  async waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#until(`printing ${pattern}`, () => {
      const match = pattern.exec(this.stdout)
      if (match === null && this.#exit !== undefined) throw this.#error(`ended before printing ${pattern}`)
      return match ?? undefined
    })
  }

  /** Wait for its end. Rejects after `PATIENCE` ms. */
  async exit(): Promise<Exit> {
    return this.#until('ending', () => this.#exit)
  }

  write(text: string): void {
    this.#child.stdin.write(text)
  }

  endInput(): void {
    this.#child.stdin.end()
  }

  signal(name: NodeJS.Signals): void {
    if (this.#hasGroup) process.kill(-this.pid, name)
    else this.#child.kill(name)
  }

  /** End it at once, and wait until it is gone. */
  async end(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null && this.#exit === undefined) {
      this.signal('SIGKILL')
    }
    await this.#exited
  }

  #notify(): void {
    for (const watcher of [...this.#watchers]) watcher()
  }

  #until<Result>(what: string, look: () => Result | undefined): Promise<Result> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer)
        this.#watchers.delete(check)
      }
      const timer = setTimeout(() => {
        stop()
        reject(this.#error(`took more than ${PATIENCE} ms for ${what}`))
      }, PATIENCE)
      const check = (): void => {
        try {
          const result = look()
          if (result === undefined) return
          stop()
          resolve(result)
        } catch (error) {
          stop()
          reject(error)
        }
      }
      this.#watchers.add(check)
      check()
    })
  }

  #error(what: string): Error {
    return new Error(
      `${this.#command} ${what}\n--- stdout ---\n${this.stdout}\n--- stderr ---\n${this.stderr}`,
    )
  }
}

/** Start one of our examples, which need no build. */
export function startExample(
  name: string,
  args: readonly string[] = [],
  options: ProgramOptions = {},
): Program {
  const nodeOptions = ['--import', 'tsx', '--conditions=openline-source']
  return new Program(process.execPath, [...nodeOptions, `examples/${name}`, ...args], options)
}

/** Take our own environment but what would change a child: the test runner's, proxies, and our demo's port. */
function inheritedEnvironment(): NodeJS.ProcessEnv {
  const isOurs = (name: string): boolean => !/^(VITEST|TEST$|NODE_|PORT$|PYTHON|.*_proxy$)/i.test(name)
  const inherited = Object.entries(process.env).filter(([name]) => isOurs(name))
  return { ...Object.fromEntries(inherited), PYTHONIOENCODING: 'utf-8', PYTHONDONTWRITEBYTECODE: '1' }
}
