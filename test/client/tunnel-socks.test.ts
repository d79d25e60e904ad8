import { type LookupFunction, type Socket, connect as tcpConnect } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Opening } from '../../src/client/opening.ts'
import { parseProxyUrl } from '../../src/client/proxy-options.ts'
import { loadSocks, openSocksTunnel, resolveForSocks } from '../../src/client/tunnel-socks.ts'
import { HandshakeError } from '../../src/index.ts'
import { rejection } from '../server/support.ts'
import { fakeSocksProxy, type SocksRules } from './fake-proxy.ts'
import { fakeServer } from './fake-server.ts'

function begin(): Opening {
  const opening = new Opening(2000, undefined)
  onTestFinished(() => opening.fail(new Error('the test is over')))
  return opening
}

async function tunnel(
  rules: SocksRules,
  url: string,
  host: string,
): Promise<{ socket: Socket; asked: string[]; port: number }> {
  const server = await fakeServer((socket) => void socket.write('pong'))
  const proxy = await fakeSocksProxy(rules)
  const opening = begin()
  const socket = opening.own(tcpConnect(proxy.port, '127.0.0.1'))
  const parsed = parseProxyUrl(url.replace('proxy', `127.0.0.1:${proxy.port}`), 'proxy')
  await openSocksTunnel(opening, socket, await loadSocks(), parsed, { host, port: server.port })
  return { socket, asked: proxy.asked, port: server.port }
}

/** Read on, as the next step does. */
async function firstBytes(socket: Socket): Promise<string> {
  const bytes = new Promise((resolve) => socket.once('data', resolve))
  socket.resume()
  return String(await bytes)
}

describe('openSocksTunnel', () => {
  test.each([
    ['socks4://proxy', '127.0.0.1', '4 127.0.0.1:PORT'],
    ['socks4://ann@proxy', '127.0.0.1', '4 127.0.0.1:PORT ann'],
    ['socks4a://proxy', 'a.example', '4 a.example:PORT'],
    ['socks5://proxy', '127.0.0.1', '5 127.0.0.1:PORT'],
    ['socks5://proxy', '::1', `5 ${'0'.repeat(31)}1:PORT`],
    ['socks5h://proxy', 'a.example', '5 a.example:PORT'],
  ])('%s to %s', async (url, host, expected) => {
    const { socket, asked, port } = await tunnel({}, url, host)
    expect(asked).toEqual([expected.replace('PORT', String(port))])
    socket.write('ping\r\n\r\n')
    expect(await firstBytes(socket)).toBe('pong')
  })

  test('keeps what came behind the answer', async () => {
    const { socket } = await tunnel({ early: Buffer.from('early') }, 'socks5h://proxy', 'a.example')
    expect(await firstBytes(socket)).toBe('early')
  })

  test('takes user and password', async () => {
    const user = { username: 'ann', password: 'secret' }
    const { asked } = await tunnel({ user }, 'socks5h://ann:secret@proxy', 'a.example')
    expect(asked).toHaveLength(1)
  })

  test.each<[string, SocksRules, string, RegExp]>([
    ['refused by version 5', { refuse: 5 }, 'socks5h://ann:secret@proxy', /rejected/i],
    ['refused by version 4', { refuse: 0x5b }, 'socks4a://proxy', /rejected/i],
    [
      'refused without a user',
      { user: { username: 'ann', password: 'secret' } },
      'socks5h://proxy',
      /auth.*: give it a user and password/i,
    ],
    [
      'refused with a wrong password',
      { user: { username: 'ann', password: 'right' } },
      'socks5h://ann:secret@proxy',
      /auth.*: give it a user and password/i,
    ],
  ])('%s', async (_what, rules, url, words) => {
    const error = await rejection(tunnel(rules, url, 'a.example'))
    expect(error).toBeInstanceOf(HandshakeError)
    expect(error).toMatchObject({ code: 'WS_PROXY_FAILED', status: 0, phase: 'proxy' })
    expect((error as Error).message).toMatch(words)
    expect((error as Error).cause).toBeInstanceOf(Error)
    const { inspect } = await import('node:util')
    expect(inspect(error, { depth: 10 })).not.toContain('secret')
  })

  test('rejects with the error of the system', async () => {
    const opening = begin()
    const server = await fakeServer((socket) => void socket.resetAndDestroy())
    const socket = opening.own(tcpConnect(server.port, '127.0.0.1'))
    const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    socket.once('connect', () => socket.destroy(reset))
    const parsed = parseProxyUrl(`socks5h://127.0.0.1:${server.port}`, 'proxy')
    const tunnel = openSocksTunnel(opening, socket, await loadSocks(), parsed, { host: 'a', port: 1 })
    expect(await rejection(tunnel)).toBe(reset)
  })
})

describe('resolveForSocks', () => {
  const lookup: LookupFunction = (_host, options, callback) => {
    callback(null, options.family === 6 ? '2001:db8::1' : '192.0.2.1')
  }

  test.each([
    ['socks4', 'a.example', 0, '192.0.2.1'],
    ['socks4', 'a.example', 6, '192.0.2.1'],
    ['socks5', 'a.example', 0, '192.0.2.1'],
    ['socks5', 'a.example', 6, '2001:db8::1'],
    ['socks4a', 'a.example', 0, 'a.example'],
    ['socks5h', 'a.example', 0, 'a.example'],
    ['socks4', '192.0.2.9', 0, '192.0.2.9'],
    ['socks5', '::1', 0, '::1'],
  ] as const)('%s takes %s (family %i) as it should', async (protocol, host, family, expected) => {
    const proxy = parseProxyUrl(`${protocol}://proxy`, 'proxy')
    expect(await resolveForSocks(begin(), proxy, host, { lookup, family })).toBe(expected)
  })

  test('takes the first of a list', async () => {
    const withList: LookupFunction = (_host, _options, callback) =>
      callback(null, [{ address: '192.0.2.7', family: 4 }])
    const proxy = parseProxyUrl('socks5://proxy', 'proxy')
    expect(await resolveForSocks(begin(), proxy, 'a.example', { lookup: withList, family: 0 })).toBe(
      '192.0.2.7',
    )
  })

  test('fails in the phase dns when the name is not known', async () => {
    const cause = Object.assign(new Error('no'), { code: 'ENOTFOUND' })
    const failing: LookupFunction = (_host, _options, callback) => callback(cause, '')
    const proxy = parseProxyUrl('socks5://proxy', 'proxy')
    const error = await rejection(
      resolveForSocks(begin(), proxy, 'a.example', { lookup: failing, family: 0 }),
    )
    expect(error).toMatchObject({ code: 'WS_CONNECT_FAILED', phase: 'dns', cause })
  })

  test('ends with the reason of a signal as it is', async () => {
    const controller = new AbortController()
    const opening = new Opening(2000, controller.signal)
    const proxy = parseProxyUrl('socks5://proxy', 'proxy')
    const waiting = rejection(resolveForSocks(opening, proxy, 'a.example', { lookup: () => {}, family: 0 }))
    const reason = new Error('mine')
    controller.abort(reason)
    expect(await waiting).toBe(reason)
  })

  test.each(['socks4', 'socks4a'])('%s refuses an address of IPv6', async (protocol) => {
    const proxy = parseProxyUrl(`${protocol}://proxy`, 'proxy')
    expect(await rejection(resolveForSocks(begin(), proxy, '::1', { lookup, family: 0 }))).toMatchObject({
      code: 'WS_PROXY_FAILED',
      phase: 'proxy',
    })
  })
})
