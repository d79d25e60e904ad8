import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connect, type ServeOptions, type Server } from '../../src/index.ts'
import { answerRequest } from '../../src/server/http-request.ts'
import { RawClient } from '../support/raw-client.ts'
import { CLIENT_TLS, SERVER_TLS } from '../support/tls-fixture.ts'
import { at, defer, echo, MemoryLog, rawTo, start } from './support.ts'

function serveHttp(
  onRequest: NonNullable<ServeOptions['onRequest']>,
  options: ServeOptions = {},
): Promise<Server> {
  return start(echo, { onRequest, ...options })
}

function address(server: Server, path = '/'): string {
  return `http://127.0.0.1:${server.port}${path}`
}

describe('onRequest', () => {
  test('gets a Request and gives a Response, beside WebSocket on the same port', async () => {
    const server = await serveHttp((request) => {
      const { pathname, searchParams } = new URL(request.url)
      const headers = new Headers({
        'Content-Type': 'text/html',
        'X-Token': request.headers.get('x-token') ?? '',
      })
      headers.append('Set-Cookie', 'a=1')
      headers.append('Set-Cookie', 'b=2')
      const body = `${request.method} ${pathname} ${searchParams.get('q')} 你好`
      return new Response(body, { status: 203, headers })
    })
    const response = await fetch(address(server, '/page?q=1'), { headers: { 'X-Token': 'abc' } })
    expect(response.status).toBe(203)
    expect(response.headers.get('content-type')).toBe('text/html')
    expect(response.headers.get('x-token')).toBe('abc')
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
    expect(await response.text()).toBe('GET /page 1 你好')
    await using connection = await connect(server.url)
    await connection.send('Hello')
    expect(await connection.receive()).toBe('Hello')
  })

  test('gets requests that offer another protocol than WebSocket, where Node can tell; else 426', async () => {
    const server = await serveHttp((request) => new Response(request.headers.get('upgrade')))
    const client = await rawTo(server)
    client.write(
      'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n',
    )
    const canTell = 'shouldUpgradeCallback' in createServer()
    expect((await client.readHead()).status).toBe(canTell ? 200 : 426)
    expect((await client.readToEnd()).toString()).toContain(canTell ? 'h2c' : 'websocket')
    await RawClient.open(at(server), { Upgrade: 'h2c, websocket' })
  })

  test('has its body cancelled, and nothing is logged, when the client left before the answer', async () => {
    const log = new MemoryLog()
    const asked = defer()
    const left = defer()
    const cancelled = defer()
    const http = createServer()
    onTestFinished(() => void http.close())
    http.on('request', (request, response) => {
      response.once('close', () => left.resolve())
      const onRequest = async (): Promise<Response> => {
        asked.resolve()
        await left.promise
        return new Response(new ReadableStream({ cancel: () => cancelled.resolve() }))
      }
      void answerRequest(request, response, onRequest, log)
    })
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    const client = await RawClient.connect({ port: (http.address() as AddressInfo).port, host: '127.0.0.1' })
    client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await asked.promise
    client.reset()
    await cancelled.promise
    expect(log.lines).toEqual([])
  })

  test('echoes the body of a POST', async () => {
    const server = await serveHttp(async (request) => new Response(await request.arrayBuffer()))
    const body = new Uint8Array(300_000).fill(7)
    const response = await fetch(address(server), { method: 'POST', body })
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(body)
  })

  test('gets the URL with https where it speaks TLS', async () => {
    const server = await serveHttp((request) => new Response(request.url), { tls: SERVER_TLS })
    const client = await RawClient.connect({ ...at(server), tls: CLIENT_TLS })
    client.write('GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    expect(await client.readHead()).toMatchObject({ status: 200 })
    expect((await client.readToEnd()).toString()).toContain('https://localhost/a')
  })

  test('may stream', async () => {
    const gate = defer()
    const server = await serveHttp(() => {
      const encoder = new TextEncoder()
      const body = new ReadableStream({
        async start(controller) {
          controller.enqueue(encoder.encode('first '))
          await gate.promise
          controller.enqueue(encoder.encode('second'))
          controller.close()
        },
      })
      return new Response(body)
    })
    const response = await fetch(address(server))
    const reader = response.body!.getReader()
    const decoder = new TextDecoder()
    expect(decoder.decode((await reader.read()).value)).toBe('first ')
    gate.resolve()
    expect(decoder.decode((await reader.read()).value)).toBe('second')
    expect((await reader.read()).done).toBe(true)
  })

  test('answers HEAD without a body', async () => {
    const server = await serveHttp(() => new Response('body', { headers: { 'X-A': 'b' } }))
    const client = await rawTo(server)
    client.write('HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    expect(await client.readHead()).toMatchObject({ status: 200, headers: { 'x-a': 'b' } })
    expect(await client.readToEnd()).toHaveLength(0)
  })

  test('answers without a body', async () => {
    const server = await serveHttp(() => new Response(null, { status: 204, statusText: 'Nothing Here' }))
    const response = await fetch(address(server))
    expect([response.status, response.statusText, await response.text()]).toEqual([204, 'Nothing Here', ''])
  })

  test('serves several requests of one client in their order', async () => {
    const server = await serveHttp(async (request) => new Response(`${await request.text()}!`))
    const client = await rawTo(server)
    const post = (body: string): string =>
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    client.write(post('one') + post('two'))
    for (const expected of ['one!', 'two!']) {
      const { headers } = await client.readHead()
      expect(headers['transfer-encoding']).toBe('chunked')
      const size = Number.parseInt((await client.read(3)).toString(), 16)
      expect((await client.read(size)).toString()).toBe(expected)
      expect((await client.read(7)).toString()).toBe('\r\n0\r\n\r\n')
    }
  })

  test('need not read the body', async () => {
    const server = await serveHttp(() => new Response('no, thanks', { status: 400 }))
    for (let turn = 0; turn < 3; turn++) {
      const response = await fetch(address(server), { method: 'POST', body: 'x'.repeat(200_000) })
      expect([response.status, await response.text()]).toEqual([400, 'no, thanks'])
    }
  })

  test('may read a part of the body, which ends the connection', async () => {
    const server = await serveHttp(async (request) => {
      const { value } = await request.body!.getReader().read()
      return new Response(String(value!.length > 0))
    })
    for (let turn = 0; turn < 3; turn++) {
      const client = await rawTo(server)
      client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf')
      expect((await client.readHead()).status).toBe(200)
      expect((await client.readToEnd()).toString()).toContain('true')
    }
  })

  test('gets a body that was cut off as an error', async () => {
    const failed = defer<unknown>()
    const server = await serveHttp(
      async (request) => {
        await request.text().catch(failed.resolve)
        return new Response('')
      },
      { logger: new MemoryLog() },
    )
    const client = await rawTo(server)
    await client.writeAndDrain('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf')
    client.reset()
    expect(await failed.promise).toBeInstanceOf(Error)
  })

  test.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('the secret is 42')
      },
    ],
    ['rejects', () => Promise.reject(new Error('the secret is 42'))],
    ['returns no Response', () => 'hello'],
  ])('that %s is logged and answered with 500 without details', async (_what, onRequest) => {
    const log = new MemoryLog()
    const server = await serveHttp(onRequest as () => Response, { logger: log })
    const response = await fetch(address(server))
    expect([response.status, await response.text()]).toEqual([500, 'the server failed\n'])
    expect(log.sentences).toEqual(['openline: onRequest failed'])
  })

  test('whose body fails half-way ends the connection, which is logged', async () => {
    const log = new MemoryLog()
    const gate = defer()
    const server = await serveHttp(
      () => {
        const body = new ReadableStream({
          async start(controller) {
            controller.enqueue(new Uint8Array(10))
            await gate.promise
            controller.error(new Error('half-way'))
          },
        })
        return new Response(body)
      },
      { logger: log },
    )
    const response = await fetch(address(server))
    gate.resolve()
    await expect(response.arrayBuffer()).rejects.toThrow()
    expect(log.lines).toEqual([['openline: onRequest failed', new Error('half-way')]])
  })

  test('whose body fails at once ends the connection, which is logged, and the server goes on', async () => {
    const log = new MemoryLog()
    const failing = (): ReadableStream =>
      new ReadableStream({ start: (controller) => controller.error(new Error('at once')) })
    const server = await serveHttp(
      (request) => new Response(request.url.endsWith('/fine') ? 'fine' : failing()),
      { logger: log },
    )
    const client = await rawTo(server)
    client.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    await client.ended
    expect(log.lines).toEqual([['openline: onRequest failed', new Error('at once')]])
    expect(await (await fetch(address(server, '/fine'))).text()).toBe('fine')
  })

  test('whose client leaves half-way is not logged, and its stream is cancelled', async () => {
    const log = new MemoryLog()
    const cancelled = defer()
    const server = await serveHttp(
      () =>
        new Response(
          new ReadableStream({
            pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024)),
            cancel: () => cancelled.resolve(),
          }),
        ),
      { logger: log },
    )
    const client = await rawTo(server)
    client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await client.readHead()
    client.reset()
    await cancelled.promise
    await server.close()
    expect(log.lines).toEqual([])
  })

  test('is not asked about requests that cannot be understood: 400, not logged', async () => {
    const log = new MemoryLog()
    const server = await serveHttp(() => new Response('fine'), { logger: log })
    for (const [line, host] of [
      ['GET / HTTP/1.1', 'a b'],
      ['GET / HTTP/1.1', 'localhost/admin'],
      ['GET / HTTP/1.1', 'user@localhost'],
      ['TRACE / HTTP/1.1', 'localhost'],
    ]) {
      const client = await rawTo(server)
      client.write(`${line}\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
      expect((await client.readHead()).status, `${line} ${host}`).toBe(400)
      await client.ended
    }
    expect(log.lines).toEqual([])
  })

  test('sees a path that looks like a host as a path', async () => {
    const server = await serveHttp((request) => new Response(request.url))
    const client = await rawTo(server)
    client.write('GET //evil.example/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    await client.readHead()
    expect((await client.readToEnd()).toString()).toContain('http://localhost//evil.example/x')
  })

  test('answers HTTP/1.0', async () => {
    const server = await serveHttp((request) => new Response(request.url))
    const client = await rawTo(server)
    client.write('GET /old HTTP/1.0\r\n\r\n')
    expect((await client.readHead()).status).toBe(200)
    expect((await client.readToEnd()).toString()).toBe('http://localhost/old')
  })

  test('answers Expect: 100-continue', async () => {
    const server = await serveHttp(async (request) => new Response(await request.text()))
    const body = await new Promise<string>((resolve, reject) => {
      const request = httpRequest(address(server), { method: 'POST', headers: { Expect: '100-continue' } })
      request.on('continue', () => request.end('continued'))
      request.on('error', reject)
      request.on('response', (response) => {
        response.setEncoding('utf8').on('data', resolve)
      })
      request.flushHeaders()
    })
    expect(body).toBe('continued')
  })

  test('may be the fetch function of a framework', async () => {
    // The shape of Hono and its relatives: routes that are chosen inside one function of a Request.
    const app = {
      routes: new Map<string, (request: Request) => Response>(),
      get(path: string, handler: (request: Request) => Response) {
        this.routes.set(path, handler)
        return this
      },
      fetch: (request: Request): Response | Promise<Response> =>
        app.routes.get(new URL(request.url).pathname)?.(request) ??
        new Response('404 Not Found', { status: 404 }),
    }
    app.get('/health', () => Response.json({ ok: true }))
    const server = await serveHttp(app.fetch)
    expect(await (await fetch(address(server, '/health'))).json()).toEqual({ ok: true })
    expect((await fetch(address(server, '/other'))).status).toBe(404)
  })
})
