import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { parseProxyUrl } from '../../src/client/proxy-options.ts'
import { chooseRoute, explainFixedRoute, type RouteOptions } from '../../src/client/route.ts'
import { parseWebSocketUrl } from '../../src/handshake/url.ts'

const NONE: RouteOptions = { socket: undefined, connectTo: undefined, proxy: undefined }
const url = parseWebSocketUrl('ws://a.example/')
const unix = parseWebSocketUrl('ws+unix:/run/a.sock')
const environment = { all_proxy: 'http://environment:1' }
const proxy = parseProxyUrl('http://given:1', 'proxy')

describe('chooseRoute', () => {
  test('goes to the host of the address', () => {
    expect(chooseRoute(url, NONE, {})).toEqual({ kind: 'tcp', host: 'a.example', port: 80, proxy: undefined })
  })

  test('through the proxy of the environment', () => {
    expect(chooseRoute(url, NONE, environment)).toMatchObject({ proxy: { host: 'environment' } })
  })

  test('through a given proxy before that', () => {
    expect(chooseRoute(url, { ...NONE, proxy }, environment)).toMatchObject({ proxy })
    expect(chooseRoute(parseWebSocketUrl('ws://localhost/'), { ...NONE, proxy }, {})).toMatchObject({ proxy })
  })

  test('through none when told so', () => {
    expect(chooseRoute(url, { ...NONE, proxy: false }, environment)).toMatchObject({ proxy: undefined })
  })

  test('to another host, with the port of the address unless there is one', () => {
    const connectTo = { host: '192.0.2.1', port: undefined }
    expect(chooseRoute(url, { ...NONE, connectTo }, environment)).toEqual({
      kind: 'tcp',
      host: '192.0.2.1',
      port: 80,
      proxy: undefined,
    })
    const withPort = { ...connectTo, port: 8080 }
    expect(chooseRoute(url, { ...NONE, connectTo: withPort, proxy }, {})).toMatchObject({ port: 8080, proxy })
  })

  test('over a given stream, whatever the environment says', () => {
    const socket = new PassThrough()
    expect(chooseRoute(url, { ...NONE, socket }, environment)).toEqual({ kind: 'stream', stream: socket })
  })

  test('to a Unix socket, whatever the environment says', () => {
    expect(chooseRoute(unix, NONE, environment)).toEqual({ kind: 'unix', path: '/run/a.sock' })
    expect(chooseRoute(unix, { ...NONE, proxy: false }, environment)).toMatchObject({ kind: 'unix' })
  })

  test.each<[string, Partial<RouteOptions>]>([
    ['socket', { socket: new PassThrough() }],
    ['connectTo', { connectTo: { host: 'a', port: undefined } }],
    ['proxy', { proxy }],
  ])('refuses %s with a Unix socket', (name, options) => {
    expect(() => chooseRoute(unix, { ...NONE, ...options }, {})).toThrow(new RegExp(`^${name} cannot`))
  })
})

test.each([
  ['a Unix socket', unix, NONE],
  ['the option connectTo', url, { ...NONE, connectTo: { host: 'a', port: undefined } }],
  ['the stream of the option socket', url, { ...NONE, socket: new PassThrough() }],
] as const)('%s leads to one server alone', (what, address, options) => {
  expect(explainFixedRoute(address, options)).toBe(`${what} leads to one server alone`)
})

test('other ways may be redirected', () => {
  expect(explainFixedRoute(url, { ...NONE, proxy })).toBeUndefined()
})
