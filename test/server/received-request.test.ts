import type { IncomingMessage } from 'node:http'
import { describe, expect, test } from 'vitest'
import { HandshakeError } from '../../src/errors.ts'
import { readRequestHead } from '../../src/handshake/request-head.ts'
import { MAX_HEADERS, PlainRequest, parsedRequest } from '../../src/server/received-request.ts'
import { handshake } from '../support/raw-client.ts'

/** What node:http gives, as far as it is looked at. */
function incoming(fields: Partial<IncomingMessage> = {}): IncomingMessage {
  const rawHeaders = ['Host', 'localhost', 'X-Token', 'abc']
  const headers = { host: 'localhost', 'x-token': 'abc' }
  return { method: 'GET', url: '/a?b', httpVersion: '1.1', headers, rawHeaders, ...fields } as IncomingMessage
}

/** Make header lines as node:http gives them. */
function rawLines(count: number): string[] {
  return Array.from({ length: count }, (_, index) => [`X-${index}`, 'v']).flat()
}

function errorOf(call: () => void): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  return undefined
}

describe('parsedRequest', () => {
  test('shows what node:http has parsed', () => {
    const request = incoming({ method: 'POST', httpVersion: '1.0' })
    expect(parsedRequest(request)).toMatchObject({ method: 'POST', httpVersion: '1.0', target: '/a?b' })
    expect(parsedRequest(request).headers).toBe(request.headers)
  })

  test('fills in what only responses lack', () => {
    const request = parsedRequest(incoming({ method: undefined, url: undefined } as never))
    expect([request.method, request.target]).toEqual(['', '/'])
  })

  test('gives the lines as they came', () => {
    expect(parsedRequest(incoming()).lines()).toEqual([
      ['Host', 'localhost'],
      ['X-Token', 'abc'],
    ])
  })

  test('finds no fault with one Host and as many lines as are allowed', () => {
    const rawHeaders = ['HOST', 'a', ...rawLines(MAX_HEADERS - 1)]
    expect(errorOf(() => parsedRequest(incoming({ rawHeaders })).checkLines())).toBeUndefined()
    expect(errorOf(() => parsedRequest(incoming({ rawHeaders: [] })).checkLines())).toBeUndefined()
  })

  test('refuses more lines than are allowed', () => {
    const rawHeaders = rawLines(MAX_HEADERS + 1)
    const error = errorOf(() => parsedRequest(incoming({ rawHeaders })).checkLines())
    expect(error).toBeInstanceOf(HandshakeError)
    expect(error).toMatchObject({ code: 'WS_TOO_MANY_HEADERS', status: 431 })
    expect((error as Error).message).toContain('101 headers')
  })

  test('refuses a second Host, whatever its case, though a value may say so', () => {
    for (const second of ['Host', 'host', 'hOST']) {
      const rawHeaders = ['Host', 'a', 'X-A', 'host', second, 'b']
      const error = errorOf(() => parsedRequest(incoming({ rawHeaders })).checkLines())
      expect(error).toMatchObject({ code: 'WS_DUPLICATE_HEADER', status: 400 })
    }
    const rawHeaders = ['Host', 'a', 'X-A', 'Host', 'X-B', 'Host']
    expect(errorOf(() => parsedRequest(incoming({ rawHeaders })).checkLines())).toBeUndefined()
  })

  test('keeps target and headers', () => {
    const kept = parsedRequest(incoming({ headers: { host: 'a', 'set-cookie': ['b', 'c'] } })).keep()
    expect([kept.target, kept.headers]).toEqual(['/a?b', { host: 'a', 'set-cookie': 'b, c' }])
  })
})

describe('PlainRequest', () => {
  const text = handshake({ 'X-Token': ' abc\t' }, 'GET /a?b HTTP/1.1')
  const head = readRequestHead(text, MAX_HEADERS)!
  const request = new PlainRequest(head, text)

  test('shows what was read', () => {
    expect(request).toMatchObject({ method: 'GET', httpVersion: '1.1', target: '/a?b' })
    expect(request.headers).toBe(head.headers)
  })

  test('gives the lines as they came', () => {
    expect(request.lines()[0]).toEqual(['Host', 'localhost'])
    expect(request.lines().at(-1)).toEqual(['X-Token', 'abc'])
    expect(request.lines()).toHaveLength(6)
  })

  test('finds no fault with its lines: what has one is not plain', () => {
    expect(errorOf(() => request.checkLines())).toBeUndefined()
  })

  test('keeps target and headers', () => {
    const kept = request.keep()
    expect([kept.target, kept.headers]).toEqual(['/a?b', head.headers])
  })
})
