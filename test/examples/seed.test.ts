// The three programs that this began with, in TypeScript, against the servers of the examples.

import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { connect } from '../../src/index.ts'
import { endPrograms, type Program, startExample } from '../peers/support/program.ts'
import {
  LOGIN_LINES,
  LONG_LINES,
  type Run,
  runLogin,
  runLongConnection,
  runShortConnection,
  SHORT_LINES,
  startSeed,
} from '../peers/support/seed.ts'

// Children share the machine with whatever else runs.
vi.setConfig({ testTimeout: 60_000 })

let demo: Program
let loginServer: Program
let loginServerPort: string
const runs = new Map<string, Run>()

beforeAll(async () => {
  demo = startExample('demo/main.ts', ['--port', '0'])
  loginServer = startSeed('login_server', 'TypeScript', '0')
  const ports = await Promise.all(
    [demo, loginServer].map(async (program) => (await program.waitFor(/listening on port (\d+)/))[1]!),
  )
  loginServerPort = ports[1]!
  const server = `ws://localhost:${ports[0]}`
  const all = {
    short: runShortConnection('TypeScript', `${server}/echo`),
    long: runLongConnection('TypeScript', `${server}/echo`),
    login: runLogin('TypeScript', `${server}/login`),
    'login with its own server': runLogin('TypeScript', `ws://localhost:${loginServerPort}`),
  }
  await Promise.all(
    Object.entries(all).map(async ([name, run]) => {
      runs.set(name, await run)
    }),
  )
})
afterAll(endPrograms)

test.each([
  ['short', SHORT_LINES],
  ['long', LONG_LINES],
  ['login', LOGIN_LINES],
  ['login with its own server', LOGIN_LINES],
])('the %s program does what it says', (name, lines) => {
  expect(runs.get(name)).toEqual({ lines, stderr: '', exit: { code: 0, signal: null } })
})

test('the long connection is closed with 1000', async () => {
  const [, id] = await demo.waitFor(/\+ \/echo (\S+)/)
  await demo.waitFor(new RegExp(`- /echo ${id}: the peer closed with 1000`))
})

test('the login server stops on Ctrl-C and says 1001', async () => {
  const connection = await connect(`ws://localhost:${loginServerPort}`)
  loginServer.signal('SIGINT')
  expect(await connection.closed).toMatchObject({ code: 1001, clean: true })
  expect(await loginServer.exit()).toEqual({ code: 0, signal: null })
  expect(loginServer.stderr).toBe('')
})
