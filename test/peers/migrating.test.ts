// docs/migrating-from-python.md: each pair of programs does the same, as those at the other end see it, and the tables
// have every name of the two libraries.

import { afterAll, describe, expect, test, vi } from 'vitest'
import { findCodeSpans, findRows, findSections } from '../docs/support/markdown.ts'
import { readPage } from '../docs/support/pages.ts'
import {
  type ClientRun,
  fetchText,
  type Language,
  runClient,
  type Script,
  type SeenByClient,
  startServerOf,
  Visitor,
} from './support/pairs.ts'
import { describeWithPeers, PYTHONS, pythonPeer } from './support/peers.ts'
import { endPrograms, Program } from './support/program.ts'

// Children share the machine with whatever else runs.
vi.setConfig({ testTimeout: 60_000 })
afterAll(endPrograms)

const peers = [pythonPeer('websockets', 'newest'), pythonPeer('websocket-client', 'newest')]

const PATH = '/path?query=1'

interface ClientPair {
  readonly name: string
  readonly script: Script
  readonly expected: Pick<ClientRun, 'seen' | 'lines'>
  /** What both write to their error outputs; nothing by default. */
  readonly errors?: RegExp
}

const echo: Script = { message: (connection, message) => void connection.send(message) }

const CLIENTS: readonly ClientPair[] = [
  {
    name: 'log_in',
    script: {
      message: (connection, name) => void connection.send(name === 'hlq' ? 'True' : 'name is not exist'),
    },
    expected: {
      seen: [seen({ messages: ['eve', 'hlq'], end: 'the client closed with 1000' })],
      lines: ['eve: name is not exist', 'hlq: True'],
    },
  },
  {
    name: 'read_messages',
    script: {
      message(connection, message) {
        if (typeof message === 'string') return
        for (const price of ['eggs 3', 'milk 2']) void connection.send(price)
        void connection.close(1000, 'sold out')
      },
    },
    expected: {
      seen: [
        seen({
          headers: {
            authorization: 'Bearer abc',
            origin: 'https://shop.example',
            'sec-websocket-protocol': 'prices.v2, prices.v1',
          },
          subprotocol: 'prices.v2',
          messages: ['eggs, milk', [1, 2, 3]],
          isPinged: true,
          end: 'the server closed with 1000 sold out',
        }),
      ],
      lines: ['prices.v2', 'eggs 3', 'milk 2', '1000 sold out'],
    },
  },
  {
    name: 'reconnecting',
    errors: /1011/,
    script: {
      message(connection, _message, number) {
        if (number < 3) void connection.send(`news ${number}`)
        if (number === 1) void connection.close(1001, 'restart')
        if (number === 2) void connection.close(1011, 'crash')
        if (number === 3) void connection.send('that is all')
      },
    },
    expected: {
      seen: [
        seen({ messages: ['I am here'], end: 'the server closed with 1001 restart' }),
        seen({ messages: ['I am here'], end: 'the server closed with 1011 crash' }),
        seen({ messages: ['I am here'], end: 'the client closed with 1000' }),
      ],
      lines: ['news 1', 'news 2', 'that is all'],
    },
  },
  {
    name: 'long_connection',
    // websocket-client is silent about what it overcomes.
    errors: /^$|1012/,
    script: {
      message: (connection, _message, number) => void connection.send(number === 1 ? 'one moment' : 'enough'),
      ping: (connection, number) => {
        if (number === 1) void connection.close(1012, 'restart')
      },
    },
    expected: {
      seen: [
        seen({
          headers: { authorization: 'Bearer token-1' },
          messages: ['Hello'],
          isPinged: true,
          end: 'the server closed with 1012 restart',
        }),
        seen({
          headers: { authorization: 'Bearer token-2' },
          messages: ['Hello'],
          end: 'the client closed with 1000',
        }),
      ],
      lines: ['one moment', 'enough', 'closed'],
    },
  },
  {
    name: 'trace',
    errors: /GET \/path\?query=1 HTTP\/1.1.*101 Switching Protocols.*Hello, World/s,
    script: echo,
    expected: {
      seen: [seen({ messages: ['Hello, World'], end: 'the client closed with 1000' })],
      lines: ['Hello, World'],
    },
  },
  {
    name: 'short_connection',
    script: echo,
    expected: {
      seen: [
        seen({
          headers: {
            cookie: 'session=abc',
            origin: 'https://shop.example',
            'sec-websocket-protocol': 'echo',
            'x-device': '7',
          },
          subprotocol: 'echo',
          messages: ['Hello, World', [1, 2, 3]],
          isPinged: true,
          end: 'the client closed with 1000',
        }),
      ],
      lines: ['echo', 'Hello, World', '3'],
    },
  },
]

function seen(fields: Partial<ClientRun['seen'][number]>): ClientRun['seen'][number] {
  return {
    target: PATH,
    headers: {},
    subprotocol: undefined,
    messages: [],
    isPinged: false,
    end: 'open',
    ...fields,
  }
}

interface ServerPair {
  readonly name: string
  /** Talk to a server, stop it, and tell what was seen. */
  visit(language: Language): Promise<unknown>
  readonly expected: unknown
}

const TOKEN = { Authorization: 'Bearer abc' }

const SERVERS: readonly ServerPair[] = [
  {
    name: 'echo_server',
    async visit(language) {
      const { program, port } = await startServerOf('echo_server', language)
      const stranger = await Visitor.visit(port, { subprotocols: ['echo'] })
      const guest = await enter(port, ['echo'])
      await guest.send('Hello')
      await guest.receive()
      await guest.send(Uint8Array.of(1, 2, 3))
      await guest.receive()
      await guest.send('bye')
      const left = await guest.end()
      const last = await enter(port, ['other', 'echo'])
      const health = await fetchText(port, '/health')
      program.signal('SIGINT')
      const stopped = await last.end()
      await program.exit()
      return { stranger, health, left, stopped }
    },
    expected: {
      stranger: { refused: '401 who are you?\n' },
      health: '200 well\n',
      left: { subprotocol: 'echo', messages: ['Hello', [1, 2, 3]], closed: '1000' },
      stopped: { subprotocol: 'echo', messages: [], closed: '1001' },
    },
  },
  {
    name: 'chat_server',
    async visit(language) {
      const { program, port } = await startServerOf('chat_server', language)
      const [ada, bob] = [await enter(port), await enter(port)]
      await ada.send('I am Ada')
      await Promise.all([ada.receive(), bob.receive()])
      await bob.send(Uint8Array.of(66))
      await Promise.all([ada.receive(), bob.receive()])
      program.signal('SIGINT')
      const seen = await Promise.all([ada.end(), bob.end()])
      await program.exit()
      return seen
    },
    expected: Array.from({ length: 2 }, () => ({
      subprotocol: undefined,
      messages: ['I am Ada', [66]],
      closed: '1001',
    })),
  },
]

async function enter(port: number, subprotocols: readonly string[] = []): Promise<Visitor> {
  const visitor = await Visitor.visit(port, { headers: TOKEN, subprotocols })
  if (visitor instanceof Visitor) return visitor
  throw new Error(`refused with ${(visitor as SeenByClient).refused}`)
}

await describeWithPeers('the programs in Python and in TypeScript', peers, () => {
  describe.concurrent('clients', () => {
    test.each(CLIENTS)('$name', async ({ name, script, expected, errors = /^$/ }) => {
      const [python, typescript] = await Promise.all([
        runClient(name, 'Python', script),
        runClient(name, 'TypeScript', script),
      ])
      expect(typescript).toEqual({
        ...expected,
        errors: expect.stringMatching(errors),
        exit: { code: 0, signal: null },
      })
      expect(python).toEqual({ ...typescript, errors: expect.stringMatching(errors) })
    })
  })

  describe('servers', () => {
    test.each(SERVERS)('$name', async ({ name: _name, visit, expected }) => {
      const [python, typescript] = await Promise.all([visit('Python'), visit('TypeScript')])
      expect(typescript).toEqual(expected)
      expect(python).toEqual(typescript)
    })
  })
  test('the tables have every name of the libraries', async () => {
    const program = new Program(PYTHONS.newest, ['test/peers/python/public_names.py'])
    expect(await program.exit()).toEqual({ code: 0, signal: null })
    const names = JSON.parse(program.stdout) as Record<string, readonly string[]>
    const missing = Object.entries(names).flatMap(([heading, group]) => {
      const named = new Set([...namesUnder(heading), ...(ALSO_IN[heading] ?? []).flatMap(namesUnder)])
      return group.filter((name) => !named.has(name)).map((name) => `${heading}: ${name}`)
    })
    expect(missing).toEqual([])
  })
})

/** Sections that refer to others. */
const ALSO_IN: Readonly<Record<string, readonly string[]>> = {
  Connections: ['connect'],
  WebSocketApp: ['run_forever'],
  'create_connection and WebSocket': ['run_forever', 'WebSocketApp'],
}

/** The names of Python's in the first column under a heading. */
function namesUnder(heading: string): string[] {
  const section = findSections(readPage('docs/migrating-from-python.md')).find(
    (candidate) => candidate.heading.text === heading,
  )
  const python = findRows(section?.prose ?? []).map(([cell]) => cell!)
  return findCodeSpans(python).flatMap((span) => [...span.matchAll(/\w+/g)].map(([name]) => name))
}
