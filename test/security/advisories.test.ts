// One test for each advisory of this field that a server or a client can meet; those of frames alone are tested
// again, byte by byte, beside the parser.

import { describe, expect, test } from 'vitest'
import { connect, HandshakeError, HandshakeRejectedError } from '../../src/index.ts'
import { accepted, fakeServer } from '../client/fake-server.ts'
import { at, defer, echo, MemoryLog, rawTo, rejection, start, stay } from '../server/support.ts'
import { concat, hex } from '../support/bytes.ts'
import { handshake, masked, RawClient } from '../support/raw-client.ts'
import { SERVER_TLS } from '../support/tls-fixture.ts'

/** Send a handshake and give the status. */
async function statusFor(
  server: { port: number; host: string },
  changes: Parameters<typeof handshake>[0],
  requestLine?: string,
): Promise<number> {
  const client = await rawTo(server)
  client.write(handshake(changes, requestLine))
  const { status } = await client.readHead()
  client.socket.destroy()
  return status
}

/** Send bytes after the handshake and give the close code. */
async function closeCodeFor(server: { port: number; host: string }, bytes: Uint8Array): Promise<number> {
  const client = await RawClient.open(at(server))
  client.write(bytes)
  const { code } = await client.readClose()
  await client.ended
  return code
}

/** Let a server send bytes after its 101 and give the code with which the client ends. */
async function clientCloseCodeFor(bytes: Uint8Array): Promise<number> {
  const server = await fakeServer((socket, request) => {
    socket.write(concat(Buffer.from(accepted(request)), bytes))
  })
  const connection = await connect(server.url, { closeTimeout: 200 })
  return (await connection.closed).code
}

describe('headers', () => {
  test('GHSA-5v72-xg48-5rpm: names that every object inherits are ordinary names', async () => {
    const server = await start(stay, { subprotocols: ['chat'] })
    for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'prototype']) {
      const status = await statusFor(server, {
        'Sec-WebSocket-Extensions': `${name}; ${name}=${name}, ${name}`,
        'Sec-WebSocket-Protocol': name,
        [name]: name,
      })
      expect(status, name).toBe(101)
    }
  })

  const LONG = 15_000
  test.each<[string, string, string, number]>([
    [
      'CVE-2020-7662 and CVE-2020-7663: an unclosed quote',
      'Sec-WebSocket-Extensions',
      `a; b="${'\\"'.repeat(LONG / 2)}`,
      400,
    ],
    [
      'CVE-2020-7662 and CVE-2020-7663: many parameters',
      'Sec-WebSocket-Extensions',
      `a${';b=c'.repeat(LONG / 4)}`,
      101,
    ],
    [
      'CVE-2021-32640: spaces in Sec-WebSocket-Protocol',
      'Sec-WebSocket-Protocol',
      `a${' '.repeat(LONG)}b`,
      400,
    ],
    ['CVE-2021-32640: spaces before a comma', 'Sec-WebSocket-Protocol', `a${' '.repeat(LONG)},b`, 101],
    ['CVE-2023-26103: spaces in Connection', 'Connection', `keep-alive${' '.repeat(LONG)}, Upgrade`, 101],
    ['CVE-2023-26103: commas in Connection', 'Connection', `${','.repeat(LONG)}Upgrade`, 101],
    ['CVE-2023-26103: tabs in Upgrade', 'Upgrade', `h2c${'\t'.repeat(LONG)},websocket`, 101],
  ])('%s takes no time', async (_what, name, value, expected) => {
    const server = await start(stay)
    const begin = performance.now()
    expect(await statusFor(server, { [name]: value })).toBe(expected)
    // Linear scanning takes less than a millisecond of it; backtracking took seconds.
    expect(performance.now() - begin).toBeLessThan(1000)
  })

  test('CVE-2024-37890: more headers than are counted, before those of the handshake', async () => {
    const server = await start(stay)
    for (const count of [101, 500, 2000]) {
      const client = await rawTo(server)
      const flood = Array.from({ length: count }, (_, index) => `${index.toString(36)}:1`).join('\r\n')
      client.write(handshake().replace('\r\n', `\r\n${flood}\r\n`))
      expect((await client.readHead()).status).toBe(431)
      await client.ended
    }
    await RawClient.open(at(server))
  })

  test('CVE-2023-43669: a long head that comes in small chunks costs what its length costs', async () => {
    const server = await start(stay)
    const client = await rawTo(server)
    client.socket.setNoDelay(true)
    const bytes = Buffer.from(handshake({ 'X-Long': 'x'.repeat(15_000) }))
    const cpu = process.cpuUsage()
    for (let offset = 0; offset < bytes.length; offset += 8) {
      await client.writeAndDrain(bytes.subarray(offset, offset + 8))
    }
    expect((await client.readHead()).status).toBe(101)
    const { user, system } = process.cpuUsage(cpu)
    expect((user + system) / 1e6).toBeLessThan(5)
  })

  test('CVE-2026-54466, -54463, -54490: there are no handshakes of drafts', async () => {
    const server = await start(stay)
    const draft76 = {
      'Sec-WebSocket-Key': undefined,
      'Sec-WebSocket-Version': undefined,
      'Sec-WebSocket-Key1': '4 @1  46546xW%0l 1 5',
      'Sec-WebSocket-Key2': '12998 5 Y3 1  .P00',
    }
    expect(await statusFor(server, draft76)).toBe(400)
    for (const version of ['0', '7', '8', '25', '130']) {
      expect(await statusFor(server, { 'Sec-WebSocket-Version': version })).toBe(426)
    }
  })

  test('CVE-2026-69243: a handshake with a body is refused, and its body is no frames', async () => {
    const received: unknown[] = []
    const server = await start({ message: (_connection, message) => void received.push(message) })
    const smuggled = masked(0x81, 'smuggled')
    const lengths: [Record<string, string>, number][] = [
      [{ 'Content-Length': String(smuggled.length) }, 413],
      [{ 'Content-Length': '0000001' }, 413],
      [{ 'Transfer-Encoding': 'chunked' }, 400],
    ]
    for (const [changes, status] of lengths) {
      const client = await rawTo(server)
      client.write(concat(Buffer.from(handshake(changes)), smuggled))
      expect((await client.readHead()).status).toBe(status)
      await client.ended
    }
    expect(received).toEqual([])
  })

  test('CVE-2020-36048, CVE-2022-21676, CVE-2022-41940, CVE-2023-31125: crafted HTTP ends nothing but itself', async () => {
    const log = new MemoryLog()
    const server = await start(stay, { logger: log, onRequest: () => new Response('fine') })
    const witness = await RawClient.open(at(server))
    const crafted = [
      'GET  HTTP/1.1\r\n\r\n',
      'GET / HTTP/1.1\r\n\r\n',
      'GET http://[ HTTP/1.1\r\nHost: [\r\n\r\n',
      'GET /%%% HTTP/1.1\r\nHost: %\r\n\r\n',
      'GET /\xff\xfe HTTP/1.1\r\nHost: \xff\r\n\r\n',
      'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n',
      'CONNECT :0 HTTP/1.1\r\nHost: \r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n',
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc',
      handshake({ Host: ['a', 'b'] }),
      handshake({ Origin: 'http://[' }),
      handshake({ Origin: '\xff\xfe' }),
      handshake({ 'Set-Cookie': ['a', 'b'] }),
      handshake({ Expect: '100-continue' }),
      handshake({}, 'GET http://[ HTTP/1.1'),
      handshake({}, 'GET ?# HTTP/1.1'),
    ]
    for (const text of crafted) {
      const client = await rawTo(server)
      client.write(text)
      client.socket.end()
      await client.ended
    }
    witness.write(masked(0x89, 'alive'))
    expect(await witness.readText()).toBe('alive')
    expect(log.lines).toEqual([])
  })

  test('CVE-2026-1527: nothing that is sent can hold a line break', async () => {
    const server = await fakeServer((socket) => void socket.destroy())
    const attempts: [object, string?][] = [
      [{ headers: { 'X-A': 'b\r\n\r\nGET /admin HTTP/1.1' } }],
      [{ headers: { 'X-A\r\nX-B': 'c' } }],
      [{ headers: { 'X-A': 'b\nc' } }],
      [{ headers: { 'X-A': 'b\0' } }],
      [{ subprotocols: ['chat\r\nX: y'] }],
      [{ origin: 'http://a\r\nX: y' }],
      [{ userAgent: 'a\r\nX: y' }],
    ]
    for (const [options] of attempts) {
      expect(await rejection(connect(server.url, options)), JSON.stringify(options)).toBeInstanceOf(TypeError)
    }
    await expect(start(stay, { headers: { 'X-A': 'b\r\nX-B: c' } })).rejects.toThrow(TypeError)
    // A URL has its line breaks taken out, and credentials are encoded.
    let head = ''
    const other = await fakeServer((socket, request) => {
      head = request.head
      socket.destroy()
    })
    await rejection(connect(`ws://a%0d%0aX:b%0d%0aY@127.0.0.1:${other.port}/c\r\nd?e%0d%0af`))
    expect(head.split('\r\n')[0]).toBe('GET /cd?e%0d%0af HTTP/1.1')
    expect(head).toContain(`Authorization: Basic ${Buffer.from('a\r\nX:b\r\nY').toString('base64')}\r\n`)
  })

  test.each<[string, string]>([
    [
      'in a value of a refusal',
      'HTTP/1.1 403 No\r\nX-Note: \xe4\xbd\xa0\xff\x80\r\nContent-Length: 0\r\n\r\n',
    ],
    ['in the text of the status', 'HTTP/1.1 403 \xe4\xbd\xa0\xff\r\nContent-Length: 0\r\n\r\n'],
    ['in the body', 'HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\n\xff\xfe\xfd'],
    ['in a name', 'HTTP/1.1 403 No\r\nX-\xe4: a\r\nContent-Length: 0\r\n\r\n'],
    ['in Upgrade', 'HTTP/1.1 101 X\r\nUpgrade: w\xe9bsocket\r\nConnection: Upgrade\r\n\r\n'],
    [
      'in Sec-WebSocket-Accept',
      'HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: \xff\r\n\r\n',
    ],
  ])(
    'CVE-2026-55517: bytes that are no ASCII %s fail the handshake and nothing else',
    async (_what, text) => {
      const server = await fakeServer((socket) => void socket.end(Buffer.from(text, 'latin1')))
      const error = await rejection(connect(server.url))
      expect(error instanceof HandshakeError || error instanceof HandshakeRejectedError).toBe(true)
    },
  )

  test('CVE-2026-55517: and in a header that means nothing here they are Latin-1', async () => {
    const server = await fakeServer((socket, request) => {
      socket.write(Buffer.from(accepted(request, 'X-Note: \xe4\xff'), 'latin1'))
    })
    const connection = await connect(server.url)
    expect(connection.response.headers['x-note']).toBe('\xe4\xff')
    connection.terminate()
    await connection.closed
  })

  test('CVE-2026-2229: window bits of an extension that was not offered fail the handshake', async () => {
    for (const bits of ['7', '16', '99999999999', '-1', '""', 'x']) {
      const server = await fakeServer((socket, request) => {
        const chosen = `Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=${bits}`
        socket.end(accepted(request, chosen))
      })
      expect(await rejection(connect(server.url))).toMatchObject({ code: 'WS_BAD_EXTENSION' })
    }
  })
})

describe('frames', () => {
  const RSV1_TEXT = masked(0xc1, 'Hello')
  const LENGTHS: [string, Uint8Array, number][] = [
    ['1 MiB and a byte', hex('82 ff 00 00 00 00 00 10 00 01 00 00 00 00'), 1009],
    ['2^31', hex('82 ff 00 00 00 00 80 00 00 00 00 00 00 00'), 1009],
    ['2^32', hex('82 ff 00 00 00 01 00 00 00 00 00 00 00 00'), 1009],
    ['2^32 + 5', hex('82 ff 00 00 00 01 00 00 00 05 00 00 00 00'), 1009],
    ['2^53', hex('82 ff 00 20 00 00 00 00 00 00 00 00 00 00'), 1009],
    ['2^63 - 1', hex('82 ff 7f ff ff ff ff ff ff ff 00 00 00 00'), 1009],
    ['2^63', hex('82 ff 80 00 00 00 00 00 00 00 00 00 00 00'), 1002],
    ['2^64 - 1', hex('82 ff ff ff ff ff ff ff ff ff 00 00 00 00'), 1002],
  ]

  test.each(LENGTHS)(
    'CVE-2016-10542, CVE-2020-27813, CVE-2026-43678, -27889, -50161: a server refuses a length of %s',
    async (_what, bytes, code) => {
      const server = await start(echo)
      expect(await closeCodeFor(server, bytes)).toBe(code)
    },
  )

  test.each(LENGTHS.slice(1))(
    'CVE-2026-1528: a client refuses a length of %s',
    async (_what, bytes, code) => {
      // The same without a mask.
      const unmasked = bytes.slice(0, 10)
      unmasked[1] = 0x7f
      expect(await clientCloseCodeFor(unmasked)).toBe(code)
    },
  )

  test('CVE-2026-9675: the limit counts all fragments of a message', async () => {
    const server = await start(echo, { maxMessageSize: 1000 })
    const bytes = concat(
      masked(0x02, new Uint8Array(400)),
      masked(0x00, new Uint8Array(400)),
      masked(0x80, new Uint8Array(201)),
    )
    expect(await closeCodeFor(server, bytes)).toBe(1009)
  })

  test('CVE-2026-12151: empty fragments are counted', async () => {
    const server = await start(echo, { maxFragments: 1000 })
    const empty = masked(0x00)
    const bytes = concat(masked(0x01), ...Array.from({ length: 1000 }, () => empty))
    expect(await closeCodeFor(server, bytes)).toBe(1009)
    expect(await clientCloseCodeFor(concat(hex('01 00'), new Uint8Array(2 * 131_072)))).toBe(1009)
  })

  test('CVE-2026-62389: a message that never ends is ended: 1008', async () => {
    const server = await start(echo, { messageTimeout: 50 })
    expect(await closeCodeFor(server, masked(0x01, 'begin'))).toBe(1008)
  })

  test('CVE-2026-59881, CVE-2018-1000518, CVE-2026-1526: what looks compressed was not agreed upon: 1002', async () => {
    const server = await start(echo)
    expect(await closeCodeFor(server, RSV1_TEXT)).toBe(1002)
    expect(await clientCloseCodeFor(hex('c1 05 48 65 6c 6c 6f'))).toBe(1002)
  })

  test('CVE-2022-39386: a malformed frame ends its own connection, without an error that nobody takes', async () => {
    const log = new MemoryLog()
    const server = await start(
      async (connection) => {
        await connection.closed
      },
      { logger: log },
    )
    const malformed = [
      hex('83 80 00 00 00 00'),
      hex('89 fe 00 7e 00 00 00 00'),
      hex('09 80 00 00 00 00'),
      hex('80 80 00 00 00 00'),
      hex('81 05 48 65 6c 6c 6f'),
      hex('88 81 00 00 00 00 03'),
    ]
    for (const bytes of malformed) expect(await closeCodeFor(server, bytes)).toBe(1002)
    expect(await closeCodeFor(server, masked(0x81, Uint8Array.of(0xff)))).toBe(1007)
    expect(log.lines).toEqual([])
  })
})

describe('what programs do with a connection', () => {
  test('CVE-2016-10518: numbers and other odd types are no payload', async () => {
    const server = await start(stay)
    await using connection = await connect(server.url)
    for (const odd of [100, 1e9, true, null, {}, [1, 2, 3], new Uint16Array(0).constructor]) {
      expect(() => connection.ping(odd as never)).toThrow(TypeError)
      expect(() => connection.pong(odd as never)).toThrow(TypeError)
      // A list might bring the pieces of a message.
      if (Array.isArray(odd)) await expect(connection.send(odd as never)).rejects.toThrow(TypeError)
      else expect(() => connection.send(odd as never)).toThrow(TypeError)
    }
    expect(connection.state).toBe('open')
  })

  test('CVE-2026-45736: bytes are no close reason', async () => {
    const server = await start(stay)
    await using connection = await connect(server.url)
    for (const odd of [new Uint8Array(100), new Uint16Array(50), new ArrayBuffer(100), 100]) {
      expect(() => connection.close(1000, odd as never)).toThrow(TypeError)
      expect(() => server.close({ reason: odd as never })).toThrow(TypeError)
    }
    expect(connection.state).toBe('open')
  })

  test('CVE-2017-16031: ids cannot be guessed', async () => {
    const server = await start(stay)
    const clients = await Promise.all(Array.from({ length: 20 }, () => RawClient.open(at(server))))
    const ids = new Set([...server.connections].map(({ id }) => id))
    expect(ids.size).toBe(clients.length)
    for (const id of ids)
      expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
  })

  test('CVE-2016-10536: certificates are checked unless told otherwise', async () => {
    const server = await start(stay, { tls: SERVER_TLS })
    const error = await rejection(connect(server.url))
    expect((error as Error).cause).toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  })

  test('CVE-2018-14732, CVE-2025-24010, CVE-2025-30360, CVE-2026-112085: other sites cannot connect by default', async () => {
    const server = await start(stay)
    const host = `127.0.0.1:${server.port}`
    const others = [
      'https://evil.example',
      'null',
      'http://127.0.0.1',
      'http://127.0.0.1:1',
      'http://192.168.1.1',
      `http://localhost:${server.port}`,
      `http://${host}.evil.example`,
      `http://evil.example#http://${host}`,
      `http://${host}@evil.example`,
      `file://${host}`,
      `chrome-extension://${host}`,
      '',
      ' ',
    ]
    for (const origin of others) {
      expect(await statusFor(server, { Host: host, Origin: origin }), origin).toBe(403)
    }
    expect(await statusFor(server, { Host: host, Origin: `http://${host}` })).toBe(101)
    expect(await statusFor(server, { Host: host })).toBe(101)
  })

  test('Redirect leaks: where a redirect leads nobody gets to see credentials', async () => {
    let seen = ''
    const thief = await fakeServer((socket, { head }) => {
      seen = head
      socket.destroy()
    })
    const server = await fakeServer((socket) => {
      socket.end(`HTTP/1.1 302 Found\r\nLocation: ${thief.url}\r\nContent-Length: 0\r\n\r\n`)
    })
    await rejection(
      connect(server.url.replace('//', '//ann:secret@'), { headers: { Cookie: 'session=1', 'X-A': 'b' } }),
    )
    expect(seen).toContain('X-A: b')
    expect(seen).not.toMatch(/authorization|cookie|secret|session/i)
  })

  test('Terminal escapes: what a server says in a refusal cannot steer a terminal', async () => {
    const server = await fakeServer((socket) => {
      socket.end('HTTP/1.1 403 No\r\nConnection: close\r\n\r\n\x1b]0;pwned\x07\x1b[2Jsorry\x7f\x9b1m')
    })
    const error = await rejection(connect(server.url))
    expect((error as HandshakeRejectedError).status).toBe(403)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there.
    expect((error as Error).message).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/)
  })

  test('Terminal escapes: what a client says in its handshake comes to no log and no answer unquoted', async () => {
    const server = await start(stay)
    const client = await rawTo(server)
    client.write(handshake({ 'Sec-WebSocket-Version': '\x9b2J\xff' }))
    expect((await client.readResponse()).body).toContain('but it is "?2J?"')
  })
})

test('a masking key is new for each frame (RFC 6455 section 10.3)', async () => {
  const keys = new Set<string>()
  const done = defer()
  const count = 50
  const server = await fakeServer((socket, request) => {
    let seen = 0
    socket.on('data', (bytes: Buffer) => {
      // Frames of one byte: 81 81, the key, the byte.
      for (let offset = 0; offset + 7 <= bytes.length; offset += 7, seen++) {
        keys.add(bytes.toString('hex', offset + 2, offset + 6))
      }
      if (seen === count) done.resolve()
    })
    socket.write(accepted(request))
  })
  const connection = await connect(server.url)
  for (let index = 0; index < count; index++) void connection.send('x')
  await done.promise
  expect(keys.size).toBe(count)
  connection.terminate()
  await connection.closed
})
