import { describe, expect, test } from 'vitest'
import { type Environment, proxyFromEnvironment } from '../../src/client/proxy-environment.ts'
import { describeProxy } from '../../src/client/proxy-options.ts'
import { parseWebSocketUrl } from '../../src/handshake/url.ts'

/** Tell which proxy an address takes, `direct` for none. */
function proxyFor(url: string, environment: Environment): string {
  const proxy = proxyFromEnvironment(parseWebSocketUrl(url), environment)
  return proxy === undefined ? 'direct' : describeProxy(proxy)
}

const ALL: Environment = {
  wss_proxy: 'http://wss:1',
  ws_proxy: 'http://ws:1',
  socks_proxy: 'socks5://socks:1',
  https_proxy: 'http://https:1',
  http_proxy: 'http://http:1',
  all_proxy: 'http://all:1',
}

function without(...names: string[]): Environment {
  return Object.fromEntries(Object.entries(ALL).filter(([name]) => !names.includes(name)))
}

describe('the variables, in their order', () => {
  test.each<[string, Environment, string]>([
    ['wss://a.example/', ALL, 'http://wss:1'],
    ['wss://a.example/', without('wss_proxy'), 'socks5://socks:1'],
    ['wss://a.example/', without('wss_proxy', 'socks_proxy'), 'http://https:1'],
    ['wss://a.example/', without('wss_proxy', 'socks_proxy', 'https_proxy'), 'http://all:1'],
    ['wss://a.example/', { ws_proxy: 'http://ws:1', http_proxy: 'http://http:1' }, 'direct'],
    ['ws://a.example/', ALL, 'http://ws:1'],
    ['ws://a.example/', without('ws_proxy'), 'socks5://socks:1'],
    ['ws://a.example/', without('ws_proxy', 'socks_proxy'), 'http://https:1'],
    ['ws://a.example/', without('ws_proxy', 'socks_proxy', 'https_proxy'), 'http://http:1'],
    ['ws://a.example/', { all_proxy: 'http://all:1' }, 'http://all:1'],
    ['ws://a.example/', { wss_proxy: 'http://wss:1' }, 'direct'],
    ['ws://a.example/', {}, 'direct'],
  ])('%s with %o', (url, environment, expected) => {
    expect(proxyFor(url, environment)).toBe(expected)
  })

  test.each<[string, Environment, string]>([
    ['capitals', { HTTPS_PROXY: 'http://p:1' }, 'http://p:1'],
    ['small letters before capitals', { HTTPS_PROXY: 'http://b:1', https_proxy: 'http://a:1' }, 'http://a:1'],
    [
      'an empty one in small letters hides the capitals',
      { HTTPS_PROXY: 'http://b:1', https_proxy: '' },
      'direct',
    ],
    ['an empty one leads to the next', { https_proxy: ' ', all_proxy: 'http://a:1' }, 'http://a:1'],
    ['spaces around it', { https_proxy: ' http://a:1 ' }, 'http://a:1'],
    ['no scheme', { https_proxy: 'a:1' }, 'http://a:1'],
    ['no scheme, with a user', { https_proxy: 'ann:b@a:1' }, 'http://a:1'],
    ['SOCKS without a scheme', { socks_proxy: 'a:1' }, 'socks5h://a:1'],
    ['SOCKS with http:', { socks_proxy: 'http://a:1' }, 'socks5h://a:1'],
    ['SOCKS with socks:', { all_proxy: 'socks://a:1' }, 'socks5h://a:1'],
    ['SOCKS with its version', { all_proxy: 'socks4://a:1' }, 'socks4://a:1'],
  ])('%s', (_what, environment, expected) => {
    expect(proxyFor('wss://a.example/', environment)).toBe(expected)
  })

  test('HTTP_PROXY is not believed in a CGI program', () => {
    const environment = { HTTP_PROXY: 'http://evil:1', REQUEST_METHOD: 'GET' }
    expect(proxyFor('ws://a.example/', environment)).toBe('direct')
    expect(proxyFor('ws://a.example/', { HTTP_PROXY: 'http://p:1' })).toBe('http://p:1')
    expect(proxyFor('ws://a.example/', { http_proxy: 'http://p:1', REQUEST_METHOD: 'GET' })).toBe(
      'http://p:1',
    )
  })

  test('one that is no proxy is named', () => {
    expect(() => proxyFor('wss://a.example/', { HTTPS_PROXY: 'ftp://ann:secret@p' })).toThrow(
      /^the environment variable HTTPS_PROXY has the scheme "ftp:"/,
    )
  })
})

describe('no_proxy', () => {
  test.each<[string, string, boolean]>([
    // everything and nothing
    ['*', 'ws://a.example/', true],
    [' * ', 'ws://192.0.2.1/', true],
    ['', 'ws://a.example/', false],
    ['', 'ws://localhost/', false],
    // names
    ['a.example', 'ws://a.example/', true],
    ['A.Example', 'ws://a.EXAMPLE/', true],
    ['a.example', 'ws://b.a.example/', true],
    ['a.example', 'ws://ba.example/', false],
    ['a.example', 'ws://a.example.org/', false],
    ['.a.example', 'ws://a.example/', true],
    ['.a.example', 'ws://b.a.example/', true],
    ['.a.example', 'ws://ba.example/', false],
    ['*.a.example', 'ws://b.a.example/', true],
    ['*.a.example', 'ws://a.example/', false],
    ['a.example', 'ws://a.example./', true],
    ['example', 'ws://a.example/', true],
    ['.', 'ws://a.example/', false],
    // lists
    ['b.example,a.example', 'ws://a.example/', true],
    ['b.example , a.example', 'ws://a.example/', true],
    ['b.example a.example', 'ws://a.example/', true],
    [',,a.example,', 'ws://a.example/', true],
    ['b.example,c.example', 'ws://a.example/', false],
    // ports
    ['a.example:8080', 'ws://a.example:8080/', true],
    ['a.example:8080', 'ws://a.example/', false],
    ['a.example:80', 'ws://a.example/', true],
    ['a.example:443', 'wss://a.example/', true],
    ['.a.example:8080', 'ws://b.a.example:8080/', true],
    ['a.example:x', 'ws://a.example/', false],
    // addresses
    ['192.0.2.1', 'ws://192.0.2.1/', true],
    ['192.0.2.1', 'ws://192.0.2.10/', false],
    ['192.0.2.1:8080', 'ws://192.0.2.1:8080/', true],
    ['192.0.2.1:8080', 'ws://192.0.2.1/', false],
    ['192.0.2.0/24', 'ws://192.0.2.200/', true],
    ['192.0.2.0/24', 'ws://192.0.3.1/', false],
    ['0.0.0.0/0', 'ws://192.0.3.1/', true],
    ['192.0.2.0/33', 'ws://192.0.2.1/', false],
    ['192.0.2.0/', 'ws://192.0.2.0/', false],
    ['192.0.2.0/x', 'ws://192.0.2.0/', false],
    ['192.0.2', 'ws://192.0.2.1/', false],
    ['2', 'ws://192.0.2.2/', false],
    ['10.0.0.0/8', 'ws://10.example/', false],
    ['::1', 'ws://[::1]/', true],
    ['[::1]', 'ws://[::1]/', true],
    ['[::1]:8080', 'ws://[::1]:8080/', true],
    ['[::1]:8080', 'ws://[::1]/', false],
    ['0:0:0:0:0:0:0:1', 'ws://[::1]/', true],
    ['fd00::/8', 'ws://[fd12::1]/', true],
    ['fd00::/8', 'ws://[fe80::1]/', false],
    ['fd00::/129', 'ws://[fd00::1]/', false],
    ['10.0.0.0/8', 'ws://[fd12::1]/', false],
  ])('%j: %s goes direct: %s', (list, url, isDirect) => {
    const environment = { all_proxy: 'http://p:1', no_proxy: list }
    expect(proxyFor(url, environment)).toBe(isDirect ? 'direct' : 'http://p:1')
  })

  test('small letters come before capitals', () => {
    const environment = { all_proxy: 'http://p:1', no_proxy: 'a.example', NO_PROXY: 'b.example' }
    expect(proxyFor('ws://a.example/', environment)).toBe('direct')
    expect(proxyFor('ws://b.example/', environment)).toBe('http://p:1')
    expect(proxyFor('ws://b.example/', { all_proxy: 'http://p:1', NO_PROXY: 'b.example' })).toBe('direct')
  })

  test.each([
    ['ws://localhost:8765/', 'direct'],
    ['ws://app.localhost/', 'direct'],
    ['ws://127.0.0.1/', 'direct'],
    ['ws://127.1.2.3/', 'direct'],
    ['ws://[::1]/', 'direct'],
    ['ws://192.0.2.1/', 'http://p:1'],
    ['ws://nolocalhost/', 'http://p:1'],
  ])('without it this machine goes direct: %s', (url, expected) => {
    expect(proxyFor(url, { all_proxy: 'http://p:1' })).toBe(expected)
  })
})
