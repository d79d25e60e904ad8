// curl, which shows the server's HTTP as it is on the wire: the accepting answer, and each refusal.

import { afterAll, expect, test, vi } from 'vitest'
import type { Connection } from '../../src/index.ts'
import { describeWithPeers } from './support/peers.ts'
import { endPrograms, Program } from './support/program.ts'
import { echo, startServer } from './support/server.ts'

// Children share the machine with whatever else runs.
vi.setConfig({ testTimeout: 60_000 })

interface Answer {
  readonly version: string
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

const KEY = 'sN9cRrP/n9NdMgdcy2VJFQ=='
const HANDSHAKE = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': KEY,
}

/** Ask with curl, and read the answer. */
async function curl(
  url: string,
  headers: Readonly<Record<string, string>> = {},
  options: readonly string[] = [],
): Promise<Answer> {
  const headerOptions = Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`])
  const address = url.replace(/^ws/, 'http')
  const program = new Program('curl', [
    ...['--silent', '--show-error', '--include', '--no-buffer', '--max-time', '10', '--noproxy', '*'],
    ...options,
    ...headerOptions,
    address,
  ])
  await program.waitFor(/\r\n\r\n/)
  // After 101 the line stays open: curl does not know what to do with it.
  if (program.stdout.startsWith('HTTP/1.1 101')) await program.end()
  else expect(await program.exit(), program.stderr).toEqual({ code: 0, signal: null })
  const [head = '', body = ''] = program.stdout.split(/\r\n\r\n(.*)/s)
  const [statusLine = '', ...lines] = head.split('\r\n')
  const [version = '', status] = statusLine.split(' ')
  const pairs = lines.map((line) => {
    const [name = '', value = ''] = line.split(/: (.*)/)
    return [name.toLowerCase(), value] as const
  })
  return { version, status: Number(status), headers: new Map(pairs), body }
}

/** Greet: curl shows the head of a response only once bytes come after it. */
async function greet(connection: Connection): Promise<void> {
  await connection.send('hello')
  await connection.closed
}

/** Change the headers of a handshake; `undefined` leaves one out. */
function handshakeWith(changes: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const entries = Object.entries({ ...HANDSHAKE, ...changes })
  return Object.fromEntries(
    entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}

await describeWithPeers('curl', ['curl'], () => {
  afterAll(endPrograms)

  test('is answered with the right Sec-WebSocket-Accept', async () => {
    const server = await startServer(greet)
    const { version, status, headers, body } = await curl(server.url, HANDSHAKE)
    expect([version, status]).toEqual(['HTTP/1.1', 101])
    expect(headers.get('sec-websocket-accept')).toBe('fFBooB7FAkLlXgRSz0BT3v4hq5s=')
    expect(headers.get('upgrade')).toBe('websocket')
    expect(headers.get('connection')).toBe('Upgrade')
    expect([...headers.keys()]).not.toContain('sec-websocket-protocol')
    expect([...headers.keys()]).not.toContain('sec-websocket-extensions')
    expect(body).toContain('hello')
  })

  test('gets the subprotocol and the headers that the server chose', async () => {
    const server = await startServer(greet, { subprotocols: ['chat'], headers: { 'X-Served-By': 'us' } })
    const { headers } = await curl(server.url, handshakeWith({ 'Sec-WebSocket-Protocol': 'mail, chat' }))
    expect(headers.get('sec-websocket-protocol')).toBe('chat')
    expect(headers.get('x-served-by')).toBe('us')
  })

  test('is told with 426 to upgrade a plain request', async () => {
    const server = await startServer(echo)
    for (const options of [[], ['--data', 'a body']]) {
      const { status, headers, body } = await curl(server.url, {}, options)
      expect(status).toBe(426)
      expect(headers.get('upgrade')).toBe('websocket')
      expect(headers.get('connection')).toContain('Upgrade')
      expect(headers.get('sec-websocket-version')).toBe('13')
      expect(body).toContain('WebSocket')
    }
  })

  const refusals: readonly (readonly [
    what: string,
    status: number,
    headers: Record<string, string>,
    options: readonly string[],
    expected: Readonly<Record<string, string>>,
  ])[] = [
    ['the method POST', 405, HANDSHAKE, ['--request', 'POST'], { allow: 'GET' }],
    ['the method OPTIONS', 405, HANDSHAKE, ['--request', 'OPTIONS'], { allow: 'GET' }],
    ['HTTP/1.0', 505, HANDSHAKE, ['--http1.0'], {}],
    ['another protocol', 426, handshakeWith({ Upgrade: 'h2c' }), [], { upgrade: 'websocket' }],
    [
      'version 8',
      426,
      handshakeWith({ 'Sec-WebSocket-Version': '8' }),
      [],
      { 'sec-websocket-version': '13', upgrade: 'websocket' },
    ],
    ['no version', 400, handshakeWith({ 'Sec-WebSocket-Version': undefined }), [], {}],
    ['no key', 400, handshakeWith({ 'Sec-WebSocket-Key': undefined }), [], {}],
    ['a key that is too short', 400, handshakeWith({ 'Sec-WebSocket-Key': 'c2hvcnQ=' }), [], {}],
    ['two keys', 400, HANDSHAKE, ['--header', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='], {}],
    ['a body', 413, HANDSHAKE, ['--request', 'GET', '--data', 'a body'], {}],
    ['a page of another site', 403, handshakeWith({ Origin: 'https://other.example' }), [], {}],
    ['a page without an origin', 403, handshakeWith({ Origin: 'null' }), [], {}],
    ['101 more headers', 431, HANDSHAKE, manyHeaders(101), {}],
    ['17 KiB of headers', 431, handshakeWith({ Cookie: 'a'.repeat(17 * 1024) }), [], {}],
  ]

  test.each(refusals)('%s is refused with %i', async (_what, expectedStatus, headers, options, expected) => {
    const server = await startServer(echo)
    const { status, headers: answered, body } = await curl(server.url, headers, options)
    expect(status, body).toBe(expectedStatus)
    expect(Object.fromEntries(answered)).toMatchObject(expected)
    expect(answered.get('connection')).toContain('close')
    expect(server.connections.size).toBe(0)
  })

  test('is welcome with the origin of the server itself', async () => {
    const server = await startServer(greet)
    const own = handshakeWith({ Origin: `http://127.0.0.1:${server.port}` })
    expect((await curl(server.url, own)).status).toBe(101)
  })

  test('is refused by the name of the host when "hosts" says so', async () => {
    const server = await startServer(greet, { hosts: ['127.0.0.1'] })
    expect((await curl(server.url, HANDSHAKE)).status).toBe(101)
    expect((await curl(server.url, handshakeWith({ Host: 'rebound.example' }))).status).toBe(403)
  })

  test('gets what onHandshake answered', async () => {
    const server = await startServer(echo, {
      onHandshake: () => new Response('今天不行\n', { status: 429, headers: { 'Retry-After': '60' } }),
    })
    const { status, headers, body } = await curl(server.url, HANDSHAKE)
    expect([status, headers.get('retry-after'), body]).toEqual([429, '60', '今天不行\n'])
  })

  test('gets what onRequest answered', async () => {
    const server = await startServer(echo, {
      onRequest: async (request) =>
        Response.json({
          method: request.method,
          path: new URL(request.url).pathname,
          body: await request.text(),
        }),
    })
    const get = await curl(`${server.url}health`)
    expect([get.status, get.headers.get('content-type')]).toEqual([200, 'application/json'])
    expect(JSON.parse(get.body)).toEqual({ method: 'GET', path: '/health', body: '' })
    const post = await curl(`${server.url}data`, {}, ['--data', '正文'])
    expect(JSON.parse(post.body)).toEqual({ method: 'POST', path: '/data', body: '正文' })
  })

  test('gets 500 without details when onHandshake throws', async () => {
    const errors: unknown[] = []
    const server = await startServer(echo, {
      onHandshake: () => {
        throw new Error('the secret cause')
      },
      logger: { error: (...values) => void errors.push(values) },
    })
    const { status, body } = await curl(server.url, HANDSHAKE)
    expect([status, body]).toEqual([500, 'the server failed\n'])
    expect(errors).toHaveLength(1)
  })
})

function manyHeaders(count: number): string[] {
  return Array.from({ length: count }, (_, index) => ['--header', `X-${index}: 1`]).flat()
}
