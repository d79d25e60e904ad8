import { describe, expect, test } from 'vitest'
import {
  describeProxy,
  isSocks,
  type ProxyOptions,
  parseProxyUrl,
  resolveProxyOptions,
} from '../../src/client/proxy-options.ts'

describe('parseProxyUrl', () => {
  test.each([
    ['http://proxy', 'http', 'proxy', 80],
    ['http://proxy:3128/', 'http', 'proxy', 3128],
    ['https://proxy', 'https', 'proxy', 443],
    ['HTTPS://Proxy.Example', 'https', 'proxy.example', 443],
    ['socks4://proxy', 'socks4', 'proxy', 1080],
    ['socks4a://proxy', 'socks4a', 'proxy', 1080],
    ['socks5://proxy:9050', 'socks5', 'proxy', 9050],
    ['socks5h://[::1]', 'socks5h', '::1', 1080],
    ['http://192.0.2.1:8080', 'http', '192.0.2.1', 8080],
  ])('reads %s', (url, protocol, host, port) => {
    expect(parseProxyUrl(url, 'proxy')).toEqual({
      protocol,
      host,
      port,
      username: '',
      password: '',
      headers: [],
      tls: {},
    })
  })

  test('reads user and password, percent-decoded', () => {
    expect(parseProxyUrl(new URL('http://%E4%BD%A0:p%40ss%3A@proxy'), 'proxy')).toMatchObject({
      username: '你',
      password: 'p@ss:',
    })
  })

  test.each([
    ['proxy:3128', 'scheme'],
    ['proxy', 'no URL'],
    ['', 'no URL'],
    ['ftp://proxy', 'scheme'],
    ['ws://proxy', 'scheme'],
    ['socks6://proxy', 'scheme'],
    ['constructor://proxy', 'scheme'],
    ['socks5://', 'no host'],
    ['http://proxy/path', 'more than'],
    ['http://proxy?a', 'more than'],
    ['http://proxy#a', 'more than'],
    ['http://a%:b@proxy', 'percent-encoding'],
    ['http://a%3Ab:c@proxy', 'colon'],
    ['socks4://a:b@proxy', 'SOCKS4'],
    ['socks4a://a%00@proxy', 'NUL'],
    ['socks5://a@proxy', 'RFC 1929'],
    ['socks5://:b@proxy', 'RFC 1929'],
    [`socks5h://${'a'.repeat(256)}:b@proxy`, '255 bytes'],
  ])('refuses %s', (url, words) => {
    const error = thrownBy(() => parseProxyUrl(url, 'the environment variable http_proxy'))
    expect(error).toBeInstanceOf(TypeError)
    expect(String(error)).toContain('the environment variable http_proxy')
    expect(String(error)).toContain(words)
  })

  test('never shows a password', () => {
    for (const url of [
      'http://ann:secret@proxy/x',
      'socks4://ann:secret@proxy',
      'http://ann:secret@',
      'x://ann:secret@proxy',
    ]) {
      expect(String(thrownBy(() => parseProxyUrl(url, 'proxy')))).not.toContain('secret')
    }
  })
})

describe('resolveProxyOptions', () => {
  test('takes a URL alone', () => {
    expect(resolveProxyOptions('http://proxy')).toMatchObject({ protocol: 'http', host: 'proxy' })
    expect(resolveProxyOptions(new URL('http://proxy'))).toMatchObject({ protocol: 'http', host: 'proxy' })
  })

  test('takes an object, whose user comes before that of the URL', () => {
    const options = {
      url: 'https://ann:one@proxy',
      username: 'bob',
      password: 'two',
      headers: { 'X-A': 'b' },
      tls: { ca: 'x' },
    }
    expect(resolveProxyOptions(options)).toMatchObject({
      username: 'bob',
      password: 'two',
      headers: [['X-A', 'b']],
      tls: { ca: 'x' },
    })
  })

  test.each<[string, unknown]>([
    ['proxy', true],
    ['proxy', null],
    ['proxy', 1],
    ['proxy.url', {}],
    ['proxy.url', { url: 1 }],
    ['proxy.url', { url: 'x' }],
    ['proxy.username', { url: 'http://proxy', username: 1 }],
    ['proxy.password', { url: 'http://proxy', password: null }],
    ['proxy.headers', { url: 'http://proxy', headers: 'a: b' }],
    ['proxy.tls', { url: 'http://proxy', tls: true }],
    ['proxy', { url: 'socks5://proxy', username: 'ann' }],
  ])('refuses a wrong %s: %o', (name, options) => {
    const error = thrownBy(() => resolveProxyOptions(options as ProxyOptions))
    expect(error).toBeInstanceOf(TypeError)
    expect((error as Error).message.startsWith(name)).toBe(true)
  })
})

test('a proxy is described without its user', () => {
  expect(describeProxy(parseProxyUrl('http://ann:secret@proxy', 'proxy'))).toBe('http://proxy:80')
  expect(describeProxy(parseProxyUrl('socks5://[::1]', 'proxy'))).toBe('socks5://[::1]:1080')
})

test.each([
  ['http', false],
  ['https', false],
  ['socks4', true],
  ['socks5h', true],
])('isSocks: %s', (protocol, expected) => {
  expect(isSocks(parseProxyUrl(`${protocol}://proxy`, 'proxy'))).toBe(expected)
})

function thrownBy(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  throw new Error('it was expected to throw, and did not')
}
