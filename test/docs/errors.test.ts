import { expect, test } from 'vitest'
import { buildErrorDocs } from '../../scripts/build-error-docs.ts'
import { HandshakeError } from '../../src/errors.ts'
import { checkRequest, type HeaderMap } from '../../src/handshake/http1.ts'
import { readPage } from './support/pages.ts'

test('docs/errors.md is current: npx tsx scripts/build-error-docs.ts', () => {
  expect(readPage('docs/errors.md')).toBe(buildErrorDocs())
})

const HEADERS: HeaderMap = {
  host: 'localhost',
  upgrade: 'websocket',
  connection: 'Upgrade',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
}

test.each<[string, { method?: string; httpVersion?: string; headers?: HeaderMap }]>([
  ['WS_BAD_METHOD', { method: 'POST' }],
  ['WS_BAD_HTTP_VERSION', { httpVersion: '1.0' }],
  ['WS_MISSING_HEADER', { headers: { host: undefined } }],
  ['WS_DUPLICATE_HEADER', { headers: { host: 'a, b' } }],
  ['WS_BAD_UPGRADE', { headers: { upgrade: 'h2c' } }],
  ['WS_BAD_KEY', { headers: { 'sec-websocket-key': 'short' } }],
  ['WS_BAD_VERSION', { headers: { 'sec-websocket-version': '8' } }],
  ['WS_BAD_SUBPROTOCOL', { headers: { 'sec-websocket-protocol': 'a, a' } }],
  ['WS_BAD_EXTENSION', { headers: { 'sec-websocket-extensions': '=' } }],
  ['WS_BODY_NOT_ALLOWED', { headers: { 'content-length': '1' } }],
])('the pages give the status of %s', (code, { method = 'GET', httpVersion = '1.1', headers }) => {
  const request = { method, httpVersion, target: '/', headers: { ...HEADERS, ...headers } }
  const error = catchError(() => checkRequest(request))
  if (!(error instanceof HandshakeError)) throw new Error('the request was taken')
  expect(error.code).toBe(code)

  const status = String(error.status)
  const row = (page: string, test: (line: string) => boolean): string =>
    readPage(page).split('\n').find(test) ?? 'no such row'
  expect(row('docs/errors.md', (line) => line.startsWith(`| \`${code}\``))).toContain(status)
  expect(
    readPage('docs/guide/server.md')
      .split('\n')
      .filter((line) => line.includes(`\`${code}\``))
      .some((line) => line.split('|')[1]!.includes(status)),
  ).toBe(true)
})

function catchError(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  return undefined
}
