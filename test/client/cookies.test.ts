import { CookieJar as ToughCookieJar } from 'tough-cookie'
import { describe, expect, test } from 'vitest'
import {
  type CookieJar,
  checkCookies,
  cookieUrl,
  createCookieJar,
  joinCookies,
  keepCookies,
} from '../../src/client/cookies.ts'
import { parseWebSocketUrl } from '../../src/handshake/url.ts'

test.each<boolean | string | CookieJar>([
  true,
  false,
  'a=1',
  new ToughCookieJar(),
  { getCookieString: () => '', setCookie() {} },
])('checkCookies takes %o', (cookies) => {
  expect(() => checkCookies(cookies)).not.toThrow()
})

test.each([1, null, {}, ['a=1'], { getCookieString() {} }, { setCookie() {} }])(
  'checkCookies refuses %o',
  (cookies) => {
    expect(() => checkCookies(cookies as unknown as string)).toThrow(TypeError)
  },
)

test.each<[(string | undefined)[], string | undefined]>([
  [[], undefined],
  [[undefined, '', ' '], undefined],
  [['a=1'], 'a=1'],
  [['a=1', undefined, 'b=2; c=3', ''], 'a=1; b=2; c=3'],
])('joinCookies %j', (values, expected) => {
  expect(joinCookies(values)).toBe(expected)
})

test.each([
  ['ws://ann:secret@a.example/b?c', 'http://a.example/b?c'],
  ['wss://a.example:8443/b', 'https://a.example:8443/b'],
  ['ws://[::1]:81/', 'http://[::1]:81/'],
  ['ws+unix:/run/a.sock:/b', 'http://localhost/b'],
])('cookieUrl %s', (url, expected) => {
  expect(cookieUrl(parseWebSocketUrl(url))).toBe(expected)
})

describe('a jar', () => {
  test('keeps what it takes, and nothing is said of the rest', async () => {
    const jar = await createCookieJar()
    const cookies = ['a=1', 'b=2; Domain=other.example', 'c=3; Secure', '', '\0', 'd=4; Path=/deep']
    await keepCookies(jar, cookies, parseWebSocketUrl('wss://a.example/'))
    expect(await jar.getCookieString('https://a.example/')).toBe('a=1; c=3')
    expect(await jar.getCookieString('http://a.example/')).toBe('a=1')
    expect(await jar.getCookieString('https://other.example/')).toBe('')
  })

  test('is another each time', async () => {
    const [left, right] = await Promise.all([createCookieJar(), createCookieJar()])
    await keepCookies(left, ['a=1'], parseWebSocketUrl('ws://a.example/'))
    expect(await right.getCookieString('http://a.example/')).toBe('')
  })

  test('that throws at once harms nobody', async () => {
    const jar = {
      getCookieString: () => '',
      setCookie() {
        throw new Error('full')
      },
    }
    await keepCookies(jar, ['a=1'], parseWebSocketUrl('ws://a.example/'))
  })
})
