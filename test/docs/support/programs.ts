// The programs in the documentation. A marker on the line before a block says what becomes of it:
//
//   run: NAME             it is a program; blocks of one name on one page run together, each in its own process,
//                         in their order: all but the last are servers that stay until the last has ended
//   run: NAME, continued  it goes on where the block before it ended
//   …, with echo          an echo server listens on port 8765 meanwhile
//   …, stays              the last program is a server too: it is greeted by a client, then sent SIGTERM
//   types only            it is only type-checked, because it needs something that is not here
//   file: PATH            it is that file of the project, in any language, which tests of its own run
//
// Programs find a certificate for localhost in their working folder: cert.pem, key.pem and ca.pem.
// Port 8765 stands for a free port, /tmp/openline.sock for a socket of the run's own. A comment `// → text` behind
// a call of console.log is what the program must print there.

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type Server, serve } from '../../../src/index.ts'
import { CLIENT_TLS, SERVER_TLS } from '../../support/tls-fixture.ts'
import { findCodeBlocks } from './markdown.ts'

/** Hold programs of one page that run together. */
export interface ProgramGroup {
  readonly name: string
  /** Each is the text of one module in TypeScript. */
  readonly programs: string[]
  needsEcho: boolean
  stays: boolean
}

/** Hold all programs of a page. */
export interface PagePrograms {
  readonly groups: readonly ProgramGroup[]
  /** Modules that are only type-checked. */
  readonly typesOnly: readonly string[]
  /** Blocks that are files of the project. */
  readonly files: readonly { readonly path: string; readonly text: string }[]
}

/** Gather the programs of a page. Throw an error for a block whose marker is missing or wrong. */
export function findPrograms(markdown: string): PagePrograms {
  const groups = new Map<string, ProgramGroup>()
  const typesOnly: string[] = []
  const files: { path: string; text: string }[] = []
  for (const { language, text, marker, line } of findCodeBlocks(markdown)) {
    const path = /^file: (\S+)$/.exec(marker ?? '')?.[1]
    if (path !== undefined) {
      files.push({ path, text })
      continue
    }
    if (language !== 'ts' && language !== 'js') continue
    if (marker === 'types only') {
      typesOnly.push(text)
      continue
    }
    const [, name, rest] = /^run: ([\w-]+)((?:, [\w ]+)*)$/.exec(marker ?? '') ?? []
    if (name === undefined) throw new Error(`line ${line}: no marker says what becomes of this block`)
    const options = rest!.split(', ').slice(1)
    const group = groups.get(name) ?? { name, programs: [], needsEcho: false, stays: false }
    groups.set(name, group)
    if (options.includes('continued')) group.programs.push(`${group.programs.pop()!}\n${text}`)
    else group.programs.push(text)
    if (options.includes('with echo')) group.needsEcho = true
    if (options.includes('stays')) group.stays = true
    const unknown = options.find((option) => !['continued', 'with echo', 'stays'].includes(option))
    if (unknown !== undefined) throw new Error(`line ${line}: there is no option "${unknown}"`)
  }
  return { groups: [...groups.values()], typesOnly, files }
}

/**
 * Run programs together in a folder and return what went wrong, in words; `undefined` when all went as the page
 * says. `compiled` holds each program as JavaScript.
 */
export async function runGroup(
  group: ProgramGroup,
  compiled: readonly string[],
  folder: string,
): Promise<string | undefined> {
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}/cert.pem`, SERVER_TLS.cert)
  writeFileSync(`${folder}/key.pem`, SERVER_TLS.key)
  writeFileSync(`${folder}/ca.pem`, CLIENT_TLS.ca)
  for (let attempt = 1; ; attempt++) {
    const problem = await runOnPort(group, compiled, folder, await findFreePort())
    // The port was free a moment ago; somebody else can have taken it since.
    if (attempt === 3 || problem?.includes('EADDRINUSE') !== true) return problem
  }
}

const TIMEOUT = 15_000

async function runOnPort(
  group: ProgramGroup,
  compiled: readonly string[],
  folder: string,
  port: number,
): Promise<string | undefined> {
  const socket = `${tmpdir()}/openline-docs-${process.pid}-${port}.sock`
  const adapt = (text: string): string =>
    text.replaceAll('8765', String(port)).replaceAll('/tmp/openline.sock', socket)
  const programs = group.programs.map((source, index) => {
    writeFileSync(`${folder}/${index + 1}.js`, adapt(compiled[index]!))
    return new Program(folder, `${index + 1}.js`, expectedOutput(adapt(source)))
  })
  const echo = group.needsEcho ? await serveEcho(port) : undefined
  try {
    for (const [index, program] of programs.entries()) {
      program.start()
      const isLast = index === programs.length - 1
      if (isLast && !group.stays) await program.waitForEnd()
      else await program.waitForPort([{ port }, { path: socket }])
    }
    if (group.stays) await greet(port)
  } catch (error) {
    return describe(error, programs)
  } finally {
    await Promise.all(programs.map((program) => program.stop()))
    await echo?.close({ timeout: 1000 })
  }
  for (const program of programs) {
    const problem = program.judge()
    if (problem !== undefined) return describe(problem, programs)
  }
  return undefined
}

function describe(problem: unknown, programs: readonly Program[]): string {
  const outputs = programs.map(({ file, output, errors }) => `--- ${file}\n${output}${errors}`)
  return `${problem instanceof Error ? problem.message : String(problem)}\n${outputs.join('')}`
}

class Program {
  readonly file: string
  readonly #folder: string
  readonly #expected: readonly string[]
  #child: ChildProcess | undefined
  #ended: Promise<void> | undefined
  #wasStopped = false
  output = ''
  errors = ''

  constructor(folder: string, file: string, expected: readonly string[]) {
    this.#folder = folder
    this.file = file
    this.#expected = expected
  }

  get #isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  start(): void {
    const child = spawn(process.execPath, [this.file], {
      cwd: this.#folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_NO_WARNINGS: '1' },
    })
    this.#child = child
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.output += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text
    })
    this.#ended = new Promise((resolve) => {
      child.on('close', () => resolve())
    })
  }

  async waitForEnd(): Promise<void> {
    const timer = new AbortController()
    const late = sleep(TIMEOUT, 'late', { signal: timer.signal }).catch(() => undefined)
    const result = await Promise.race([this.#ended, late])
    timer.abort()
    if (result === 'late') throw new Error(`${this.file} did not end within ${TIMEOUT} ms`)
  }

  async waitForPort(places: readonly Place[]): Promise<void> {
    const deadline = Date.now() + TIMEOUT
    while (!(await Promise.all(places.map(isListening))).includes(true)) {
      if (!this.#isRunning) throw new Error(`${this.file} ended before anybody could connect`)
      if (Date.now() > deadline) throw new Error(`${this.file} does not listen`)
      await sleep(30)
    }
  }

  async stop(): Promise<void> {
    if (this.#isRunning) {
      this.#wasStopped = true
      this.#child!.kill('SIGTERM')
    }
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), 5000)
    await this.#ended
    clearTimeout(timer)
  }

  /** Say what is wrong with a program that has ended. */
  judge(): string | undefined {
    const { exitCode, signalCode } = this.#child!
    const isRightEnd = exitCode === 0 || (this.#wasStopped && signalCode === 'SIGTERM')
    if (!isRightEnd) return `${this.file} ended with ${exitCode ?? signalCode}`
    if (this.errors !== '') return `${this.file} wrote to its error output`
    const printed = this.output.split('\n')
    let from = 0
    for (const line of this.#expected) {
      const at = printed.indexOf(line, from)
      if (at === -1) return `${this.file} did not print "${line}"`
      from = at + 1
    }
    return undefined
  }
}

/** Read from a program's comments what it prints. */
function expectedOutput(text: string): string[] {
  return [...text.matchAll(/console\.log\(.*\/\/ → (.*)$/gm)].map((match) => match[1]!)
}

function serveEcho(port: number): Promise<Server> {
  return serve(
    async (connection) => {
      for await (const message of connection) await connection.send(message)
    },
    { port },
  )
}

async function greet(port: number): Promise<void> {
  const connection = await connect(`ws://localhost:${port}/`, { openTimeout: 5000 })
  await connection.close()
}

type Place = { readonly port: number } | { readonly path: string }

function isListening(place: Place): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(place)
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

// Below the ports that systems give to whoever asks for any, so that other tests never get the same one.
const FIRST_PORT = 10_000
const LAST_PORT = 32_000
const used = new Set<number>()

async function findFreePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT))
    if (used.has(port)) continue
    used.add(port)
    const isFree = await new Promise<boolean>((resolve) => {
      const server = createServer()
      server.on('error', () => resolve(false))
      server.listen(port, () => server.close(() => resolve(true)))
    })
    if (isFree) return port
  }
}
