// The demonstration server as its user meets it: what it prints, serves and says, and how it stops.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { connect } from '../../src/index.ts'
import { endPrograms, PATIENCE, Program, startExample } from '../peers/support/program.ts'

// Children share the machine with whatever else runs.
vi.setConfig({ testTimeout: 60_000 })

const PATHS = ['/', '/echo', '/login', '/chat', '/time']

function startDemo(args: readonly string[], env: Readonly<Record<string, string>> = {}): Program {
  return startExample('demo/main.ts', args, { env })
}

async function portOf(demo: Program): Promise<string> {
  return (await demo.waitFor(/^openline is listening on port (\d+); stop it with Ctrl-C\n/))[1]!
}

afterAll(endPrograms)

describe('the demonstration server', () => {
  let demo: Program
  let host: string

  beforeAll(async () => {
    demo = startDemo(['--port', '0'])
    host = `localhost:${await portOf(demo)}`
    await demo.waitFor(/\/time .*\n\n$/)
  })

  test('prints its addresses', async () => {
    expect(demo.stdout).toContain(`in a browser   http://${host}/\n`)
    for (const path of PATHS) expect(demo.stdout).toMatch(new RegExp(`^  ws://${host}${path} +\\S`, 'm'))
    expect(demo.stderr).toBe('')
  })

  test('hands out its page', async () => {
    const response = await fetch(`http://${host}/`)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    const body = await response.text()
    expect(body).toMatch(/^<!doctype html>/)
    for (const path of PATHS.slice(1)) expect(body).toContain(`'${path}'`)
  })

  test('answers other paths with 404, plain and as a handshake', async () => {
    expect((await fetch(`http://${host}/nothing`)).status).toBe(404)
    await expect(connect(`ws://${host}/nothing`)).rejects.toMatchObject({
      status: 404,
      body: 'there is no /nothing\n',
    })
  })

  test('refuses a page of another site', async () => {
    await expect(connect(`ws://${host}/echo`, { origin: 'https://other.example' })).rejects.toMatchObject({
      status: 403,
    })
  })

  test.each(['/', '/echo', '/echo?with=query'])('echoes at %s', async (path) => {
    const connection = await connect(`ws://${host}${path}`)
    for (const message of ['Hello, World', '你好 😀', '', Uint8Array.of(0, 255)]) {
      await connection.send(message)
      const answer = await connection.receive({ timeout: PATIENCE })
      expect(typeof answer === 'string' ? answer : Uint8Array.from(answer)).toEqual(message)
    }
    await connection.close()
  })

  test('logs in who is known, and then closes with 1000', async () => {
    const connection = await connect(`ws://${host}/login`)
    for (const [name, answer] of [
      ['eve', 'name is not exist'],
      ['', 'name is not exist'],
      ['hlq', 'True'],
    ] as const) {
      await connection.send(name)
      expect(await connection.receive({ timeout: PATIENCE })).toBe(answer)
    }
    expect(await connection.closed).toMatchObject({ code: 1000, initiator: 'remote', clean: true })
  })

  test('tells everybody in the chat what one says', async () => {
    const chatters = await Promise.all([1, 2, 3].map(() => connect(`ws://${host}/chat`)))
    // Whoever is greeted by the first message is in; the handlers began in the order of the handshakes.
    await chatters[0]!.send('大家好')
    for (const chatter of chatters) expect(await chatter.receive({ timeout: PATIENCE })).toBe('大家好')
    await chatters[1]!.close()
    await chatters[2]!.send('still here')
    for (const chatter of [chatters[0]!, chatters[2]!]) {
      expect(await chatter.receive({ timeout: PATIENCE })).toBe('still here')
      await chatter.close()
    }
  })

  test('tells the time each second', async () => {
    const connection = await connect(`ws://${host}/time`)
    const first = Date.parse(String(await connection.receive({ timeout: PATIENCE })))
    const second = Date.parse(String(await connection.receive({ timeout: PATIENCE })))
    expect(second - first).toBeGreaterThanOrEqual(950)
    expect(second - first).toBeLessThan(PATIENCE)
    await connection.close()
  })

  test('logs who comes and goes, and how', async () => {
    const connection = await connect(`ws://${host}/echo`)
    await connection.close(4000, 'enough')
    const [, id] = await demo.waitFor(/^[\d:]{8} {2}- \/echo ([0-9a-f]{8}): .*4000 .*"enough"/m)
    expect(demo.stdout).toMatch(new RegExp(`^[\\d:]{8} {2}\\+ /echo ${id} from \\S+$`, 'm'))
  })
})

describe('the demonstration server stops', () => {
  test.concurrent.each(['SIGINT', 'SIGTERM'] as const)(
    'on %s: it says 1001 to everybody and ends with 0',
    async (signal) => {
      const demo = startDemo(['--port', '0'])
      const port = await portOf(demo)
      const connections = await Promise.all(
        PATHS.map((path) => connect(`ws://localhost:${port}${path}`, { handler: {} })),
      )
      demo.signal(signal)
      for (const connection of connections) {
        expect(await connection.closed).toMatchObject({ code: 1001, initiator: 'remote', clean: true })
      }
      expect(await demo.exit()).toEqual({ code: 0, signal: null })
      expect(demo.stdout).toMatch(/stopping: saying goodbye to 5 connections\n(.*\n)*.* stopped\n$/)
      expect(demo.stderr).toBe('')
    },
  )

  test.concurrent('on Ctrl-C when npm start began it', async () => {
    const npm = new Program('npm', ['start', '--silent', '--', '--port', '0'], { group: true })
    const [, port] = await npm.waitFor(/openline is listening on port (\d+)/)
    const connection = await connect(`ws://localhost:${port}/echo`)
    npm.signal('SIGINT')
    expect(await connection.closed).toMatchObject({ code: 1001, clean: true })
    // npm itself ends by the signal.
    await npm.exit()
    expect(npm.stdout).toMatch(/ stopped\n$/)
  })
})

describe('the demonstration server and its port', () => {
  async function expectFailure(demo: Program, line: RegExp): Promise<void> {
    expect(await demo.exit()).toEqual({ code: 1, signal: null })
    expect(demo.stderr).toMatch(/^[^\n]+\n$/)
    expect(demo.stderr).toMatch(line)
    expect(demo.stdout).toBe('')
  }

  /** Keep a port, so that nobody else can. */
  async function occupyPort(): Promise<string> {
    const server = createServer().listen(0)
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    return String((server.address() as AddressInfo).port)
  }

  test('says in one line that the port is in use', async () => {
    await expectFailure(startDemo(['--port', await occupyPort()]), /in use/)
  })

  test('takes the port from PORT', async () => {
    await expectFailure(startDemo([], { PORT: await occupyPort() }), /in use/)
    await portOf(startDemo([], { PORT: '0' }))
  })

  test('takes an empty PORT for none', async () => {
    await portOf(startDemo(['--port', '0'], { PORT: '' }))
  })

  test('prefers --port to PORT', async () => {
    await portOf(startDemo(['--port', '0'], { PORT: await occupyPort() }))
  })

  test.concurrent.each([
    ['a word', ['--port', 'http'], {}, /"http"/],
    ['a number that is too large', ['--port', '65536'], {}, /"65536"/],
    ['a number below 0', ['--port=-1'], {}, /"-1"/],
    ['half a number', [], { PORT: '80.5' }, /"80.5"/],
    ['nothing', ['--port='], {}, /port/],
    ['an option without its value', ['--port'], {}, /--port/],
    ['an unknown option', ['--prot', '80'], {}, /--prot/],
  ])('says in one line that %s is no port', async (_, args, env, line) => {
    await expectFailure(startDemo(args, env), line)
  })
})
