// The Python originals of examples/seed with our servers, ours with Python's servers, and both side by side.

import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import {
  describeWithPeers,
  findMissing,
  PYTHON_NAMES,
  PYTHONS,
  type Python,
  pythonPeer,
} from './support/peers.ts'
import { endPrograms, Program, startExample } from './support/program.ts'
import {
  LOGIN_LINES,
  LONG_LINES,
  type Run,
  type Runner,
  runLogin,
  runLongConnection,
  runShortConnection,
  SHORT_LINES,
  startSeed,
} from './support/seed.ts'

// Children share the machine with whatever else runs.
vi.setConfig({ testTimeout: 60_000 })

type ProgramName = 'short' | 'long' | 'login'
type Runs = Readonly<Record<ProgramName, Run>>

const EXPECTED: Readonly<Record<ProgramName, readonly string[]>> = {
  short: SHORT_LINES,
  long: LONG_LINES,
  login: LOGIN_LINES,
}
const PROGRAMS = ['short', 'long', 'login'] as const

/** Run all three programs at once: one of them takes four seconds. */
async function runAll(runner: Runner, echoUrl: string, loginUrl: string): Promise<Runs> {
  const [short, long, login] = await Promise.all([
    runShortConnection(runner, echoUrl),
    runLongConnection(runner, echoUrl),
    runLogin(runner, loginUrl),
  ])
  return { short, long, login }
}

function expectRun(run: Run | undefined, name: ProgramName): void {
  expect(run).toEqual({ lines: EXPECTED[name], stderr: '', exit: { code: 0, signal: null } })
}

async function portOf(program: Program): Promise<string> {
  const [, port] = await program.waitFor(/listening on port (\d+)/)
  return port!
}

/** What the programs showed with one of the Pythons. */
interface Results {
  readonly withDemo: Runs
  readonly withTheirs: Runs
  readonly oursWithTheirs: Runs
  readonly loginWithOurServer: Run
}

const installed: Python[] = []
const results = new Map<Python, Results>()
let oursWithDemo: Runs

// All at once, since most of the time they wait.
beforeAll(async () => {
  if (installed.length === 0) return
  const servers = [
    startExample('demo/main.ts', ['--port', '0']),
    startSeed('login_server', 'TypeScript', '0'),
  ]
  const [demoPort, loginPort] = await Promise.all(servers.map(portOf))
  const demo = `ws://localhost:${demoPort}`
  const runWithDemo = (runner: Runner): Promise<Runs> => runAll(runner, `${demo}/echo`, `${demo}/login`)

  async function runPython(python: Python): Promise<void> {
    const theirServers = [
      new Program(PYTHONS[python], ['test/peers/python/echo_server.py']),
      startSeed('login_server', python, '0'),
    ]
    const theirPorts = await Promise.all(theirServers.map(portOf))
    const [echoUrl, loginUrl] = theirPorts.map((port) => `ws://localhost:${port}`) as [string, string]
    const [withDemo, withTheirs, oursWithTheirs, loginWithOurServer] = await Promise.all([
      runWithDemo(python),
      runAll(python, echoUrl, loginUrl),
      runAll('TypeScript', echoUrl, loginUrl),
      runLogin(python, `ws://localhost:${loginPort}`),
    ])
    results.set(python, { withDemo, withTheirs, oursWithTheirs, loginWithOurServer })
  }
  const ours = runWithDemo('TypeScript')
  await Promise.all(installed.map(runPython))
  oursWithDemo = await ours
})
afterAll(endPrograms)

for (const python of PYTHON_NAMES) {
  const peers = [pythonPeer('websockets', python), pythonPeer('websocket-client', python)]
  const name = `the programs in Python (${python}) and in TypeScript`
  if ((await findMissing(peers)).length === 0) installed.push(python)
  await describeWithPeers(name, peers, () => testSeed(python))
}

function testSeed(python: Python): void {
  test.each(PROGRAMS)('the %s program in Python does with our server what it says', (program) => {
    expectRun(results.get(python)?.withDemo[program], program)
  })
  test.each(PROGRAMS)(
    'the %s program in TypeScript does with our server the same as in Python',
    (program) => {
      expect(oursWithDemo[program]).toEqual(results.get(python)?.withDemo[program])
    },
  )
  test.each(PROGRAMS)("the %s program in TypeScript does with Python's server what it says", (program) => {
    expectRun(results.get(python)?.oursWithTheirs[program], program)
  })
  test.each(PROGRAMS)("the %s program in Python does with Python's server the same", (program) => {
    expect(results.get(python)?.withTheirs[program]).toEqual(results.get(python)?.oursWithTheirs[program])
  })
  test('the login program in Python talks to the login server in TypeScript', () => {
    expectRun(results.get(python)?.loginWithOurServer, 'login')
  })
}
