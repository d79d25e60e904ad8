// Our client through real proxies: Squid and tinyproxy by CONNECT, dante and microsocks by SOCKS.

import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { type ConnectOptions, connect, type Server, serve } from '../../src/index.ts'
import { echo, rejection } from '../server/support.ts'
import { CLIENT_TLS, SERVER_TLS } from '../support/tls-fixture.ts'
import { describeWithPeers } from './support/peers.ts'
import { endPrograms } from './support/program.ts'
import { type RealProxy, startRealProxy, USER } from './support/proxies.ts'

// Children share the machine with whatever else runs.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

const servers: Record<'ws' | 'wss', Server> = {} as never

beforeAll(async () => {
  servers.ws = await serve(echo, { host: '127.0.0.1', port: 0 })
  servers.wss = await serve(echo, { host: '127.0.0.1', port: 0, tls: SERVER_TLS })
})

afterEach(() => void vi.unstubAllEnvs())

afterAll(async () => {
  await Promise.all([servers.ws.close({ timeout: 1000 }), servers.wss.close({ timeout: 1000 })])
  await endPrograms()
})

/** Echo something small and something large, and tell from which port the server saw it come. */
async function expectEcho(scheme: 'ws' | 'wss', options: ConnectOptions, host = 'localhost'): Promise<void> {
  const url = `${scheme}://${host}:${servers[scheme].port}/`
  await using connection = await connect(url, { tls: CLIENT_TLS, openTimeout: 20_000, ...options })
  const large = 'x'.repeat(1_000_000)
  await connection.send('你好')
  await connection.send(large)
  expect(await connection.receive()).toBe('你好')
  expect(await connection.receive()).toBe(large)
  // The way leads to the proxy, and not to the server.
  expect(connection.remoteAddress?.port).not.toBe(servers[scheme].port)
}

function withUser(url: string): string {
  return url.replace('//', `//${USER.username}:${encodeURIComponent(USER.password)}@`)
}

for (const name of ['squid', 'tinyproxy'] as const) {
  await describeWithPeers(name, [name], () => {
    let proxy: RealProxy
    let guarded: RealProxy
    beforeAll(async () => {
      ;[proxy, guarded] = await Promise.all([startRealProxy(name, false), startRealProxy(name, true)])
    })
    afterAll(() => Promise.all([proxy?.end(), guarded?.end()]))

    test.each(['ws', 'wss'] as const)('lets %s through', async (scheme) => {
      await expectEcho(scheme, { proxy: `http://127.0.0.1:${proxy.port}` })
    })

    test.each(['ws', 'wss'] as const)('lets %s through with user and password', async (scheme) => {
      await expectEcho(scheme, { proxy: withUser(`http://127.0.0.1:${guarded.port}`) })
      await expectEcho(scheme, { proxy: { url: `http://127.0.0.1:${guarded.port}`, ...USER } })
    })

    test.each([
      ['no user', {}],
      ['a wrong password', { username: USER.username, password: 'wrong' }],
    ])('refuses %s', async (_what, user) => {
      const options = { proxy: { url: `http://127.0.0.1:${guarded.port}`, ...user } }
      const error = await rejection(connect(`wss://localhost:${servers.wss.port}/`, options))
      expect(error).toMatchObject({ code: 'WS_PROXY_FAILED', phase: 'proxy' })
      // tinyproxy says 401 to a wrong password before version 1.11.2.
      expect([401, 407]).toContain((error as { status: number }).status)
    })

    test('says so when nobody listens at the server', async () => {
      const gone = await serve(echo, { host: '127.0.0.1', port: 0 })
      await gone.close()
      const options = { proxy: `http://127.0.0.1:${proxy.port}` }
      const error = await rejection(connect(`ws://localhost:${gone.port}/`, options))
      expect(error).toMatchObject({ code: 'WS_PROXY_FAILED', phase: 'proxy' })
      expect((error as { status: number }).status).toBeGreaterThanOrEqual(500)
    })

    test('is found in the environment, but for the hosts of no_proxy', async () => {
      vi.stubEnv('https_proxy', withUser(`http://127.0.0.1:${guarded.port}`))
      vi.stubEnv('no_proxy', '10.0.0.0/8')
      await expectEcho('ws', {})
      await expectEcho('wss', {}, '127.0.0.1')
      vi.stubEnv('no_proxy', '127.0.0.0/8')
      await using connection = await connect(`ws://127.0.0.1:${servers.ws.port}/`)
      expect(connection.remoteAddress?.port).toBe(servers.ws.port)
    })
  })
}

await describeWithPeers('dante', ['dante'], () => {
  let proxy: RealProxy
  beforeAll(async () => {
    proxy = await startRealProxy('dante', false)
  })
  afterAll(() => proxy?.end())

  // It takes the names of SOCKS4a for addresses, also from curl.
  describe.each(['socks4', 'socks5', 'socks5h'])('by %s', (protocol) => {
    test.each(['ws', 'wss'] as const)('lets %s through', async (scheme) => {
      const options = { proxy: `${protocol}://127.0.0.1:${proxy.port}`, tcp: { family: 4 } } as const
      await expectEcho(scheme, options)
      await expectEcho(scheme, options, '127.0.0.1')
    })
  })
})

await describeWithPeers('microsocks', ['microsocks'], () => {
  let proxy: RealProxy
  let guarded: RealProxy
  beforeAll(async () => {
    ;[proxy, guarded] = await Promise.all([
      startRealProxy('microsocks', false),
      startRealProxy('microsocks', true),
    ])
  })
  afterAll(() => Promise.all([proxy?.end(), guarded?.end()]))

  test.each(['ws', 'wss'] as const)('lets %s through', async (scheme) => {
    await expectEcho(scheme, { proxy: `socks5h://127.0.0.1:${proxy.port}` })
  })

  test.each(['ws', 'wss'] as const)('lets %s through with user and password', async (scheme) => {
    await expectEcho(scheme, { proxy: withUser(`socks5h://127.0.0.1:${guarded.port}`) })
  })

  test.each([
    ['no user', {}],
    ['a wrong password', { username: USER.username, password: 'wrong' }],
  ])('refuses %s', async (_what, user) => {
    const options = { proxy: { url: `socks5h://127.0.0.1:${guarded.port}`, ...user } }
    expect(await rejection(connect(`ws://localhost:${servers.ws.port}/`, options))).toMatchObject({
      code: 'WS_PROXY_FAILED',
      phase: 'proxy',
      status: 0,
    })
  })

  test('says so when nobody listens at the server', async () => {
    const gone = await serve(echo, { host: '127.0.0.1', port: 0 })
    await gone.close()
    const options = { proxy: `socks5h://127.0.0.1:${proxy.port}` }
    expect(await rejection(connect(`ws://localhost:${gone.port}/`, options))).toMatchObject({
      code: 'WS_PROXY_FAILED',
      phase: 'proxy',
    })
  })

  test('is found in the environment', async () => {
    vi.stubEnv('all_proxy', withUser(`socks5h://127.0.0.1:${guarded.port}`))
    vi.stubEnv('no_proxy', '')
    await expectEcho('ws', {})
    await expectEcho('wss', {})
  })
})
