import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  answerDigest,
  type Challenge,
  chooseDigest,
  type DigestRequest,
  isStale,
  parseChallenges,
} from '../../src/client/digest.ts'

/** Answer a header, and give the fields of the answer. */
function answer(header: string, request: Partial<DigestRequest>): ReadonlyMap<string, string> {
  const challenge = chooseDigest(parseChallenges(header))
  if (challenge === undefined) throw new Error('there is no challenge to answer')
  const value = answerDigest(challenge, {
    username: 'Mufasa',
    password: 'Circle of Life',
    method: 'GET',
    uri: '/dir/index.html',
    cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
    ...request,
  })
  return parseChallenges(value)[0]!.parameters
}

const RFC7616 =
  'realm="http-auth@example.org", qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'

describe('the examples of the RFCs', () => {
  test.each([
    ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
    ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
  ])('RFC 7616 section 3.9.1: %s', (algorithm, response) => {
    expect(Object.fromEntries(answer(`Digest ${RFC7616}, algorithm=${algorithm}`, {}))).toEqual({
      username: 'Mufasa',
      realm: 'http-auth@example.org',
      nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
      uri: '/dir/index.html',
      response,
      algorithm,
      opaque: 'FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS',
      qop: 'auth',
      nc: '00000001',
      cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
    })
  })

  test('RFC 7616 section 3.9.1: of both the stronger one is answered', () => {
    const fields = answer(`Digest ${RFC7616}, algorithm=MD5, Digest ${RFC7616}, algorithm=SHA-256`, {})
    expect(fields.get('algorithm')).toBe('SHA-256')
  })

  // With the values of erratum 4897: those of the text were made with another hash.
  test('RFC 7616 section 3.9.2: SHA-512-256, with a hashed name in UTF-8', () => {
    const fields = answer(
      'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true',
      {
        username: 'J\u00e4s\u00f8n Doe',
        password: 'Secret, or not?',
        uri: '/doe.json',
        cnonce: 'NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v',
      },
    )
    expect(fields.get('username')).toBe('793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b')
    expect(fields.get('response')).toBe('3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5')
    expect(fields.get('userhash')).toBe('true')
  })

  test('RFC 2617 section 3.5', () => {
    const fields = answer(
      'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"',
      { password: 'Circle Of Life', cnonce: '0a4f113b' },
    )
    expect(fields.get('response')).toBe('6629fae49393a05397450978507c4ef1')
    expect(fields.has('algorithm')).toBe(false)
  })

  test('RFC 2069: without qop', () => {
    const fields = answer('Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"', {
      password: 'Circle Of Life',
    })
    expect(fields.get('response')).toBe('670fd8c2df070c60b045671b8b24ff02')
    expect([...fields.keys()]).toEqual(['username', 'realm', 'nonce', 'uri', 'response'])
  })
})

describe('answerDigest', () => {
  const md5 = (text: string): string => createHash('md5').update(text).digest('hex')

  test.each(['MD5-sess', 'md5-SESS'])('%s hashes both nonces into the secret', (algorithm) => {
    const fields = answer(`Digest realm="r", nonce="n", qop=auth, algorithm=${algorithm}`, { cnonce: 'c' })
    const a1 = md5(`${md5('Mufasa:r:Circle of Life')}:n:c`)
    expect(fields.get('response')).toBe(md5(`${a1}:n:00000001:c:auth:${md5('GET:/dir/index.html')}`))
    expect(fields.get('algorithm')).toBe(algorithm)
  })

  test('-sess without qop sends the cnonce that it hashed', () => {
    const fields = answer('Digest realm="r", nonce="n", algorithm=MD5-sess', { cnonce: 'c' })
    expect(fields.get('cnonce')).toBe('c')
    expect(fields.has('nc')).toBe(false)
  })

  test('escapes what stands in quotes', () => {
    const fields = answer('Digest realm="a\\"b\\\\c", nonce="n"', { username: 'x"y\\z' })
    expect(fields.get('realm')).toBe('a"b\\c')
    expect(fields.get('username')).toBe('x"y\\z')
  })

  test('writes a name that does not fit into quotes in another way', () => {
    const challenge = chooseDigest(parseChallenges('Digest realm="r", nonce="n"'))!
    const value = answerDigest(challenge, {
      username: "你 (*')",
      password: '',
      method: 'GET',
      uri: '/',
      cnonce: 'c',
    })
    expect(value).toContain("username*=UTF-8''%E4%BD%A0%20%28%2A%27%29, ")
  })

  test('takes a realm in UTF-8 byte by byte', () => {
    // Node gives headers as Latin-1.
    const realm = Buffer.from('你').toString('latin1')
    const fields = answer(`Digest realm="${realm}", nonce="n"`, {})
    const secret = md5('Mufasa:你:Circle of Life')
    expect(fields.get('response')).toBe(md5(`${secret}:n:${md5('GET:/dir/index.html')}`))
    expect(fields.get('realm')).toBe(realm)
  })
})

describe('chooseDigest', () => {
  test.each([
    ['no header', ''],
    ['another scheme', 'Basic realm="r"'],
    ['no realm', 'Digest nonce="n"'],
    ['no nonce', 'Digest realm="r"'],
    ['another algorithm', 'Digest realm="r", nonce="n", algorithm=SHA-1'],
    ['a name that objects inherit', 'Digest realm="r", nonce="n", algorithm=constructor'],
    ['protection of the body alone', 'Digest realm="r", nonce="n", qop="auth-int"'],
    ['an empty qop', 'Digest realm="r", nonce="n", qop=""'],
  ])('finds none in %s', (_what, header) => {
    expect(chooseDigest(parseChallenges(header))).toBeUndefined()
  })

  test('prefers the stronger hash, wherever it stands', () => {
    const of = (algorithm: string): string => `Digest realm="r", nonce="n", algorithm=${algorithm}`
    const choose = (...algorithms: string[]): string | undefined =>
      chooseDigest(parseChallenges(algorithms.map(of).join(', ')))?.parameters.get('algorithm')
    expect(choose('MD5', 'SHA-256')).toBe('SHA-256')
    expect(choose('SHA-256', 'MD5')).toBe('SHA-256')
    expect(choose('MD5', 'SHA-512-256', 'SHA-256')).toBe('SHA-512-256')
    expect(choose('SHA-3', 'MD5')).toBe('MD5')
    expect(choose('MD5-sess', 'MD5')).toBe('MD5-sess')
  })
})

describe('parseChallenges', () => {
  const read = (header: string): [string, Record<string, string>][] =>
    parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)])

  test.each<[string, string, [string, Record<string, string>][]]>([
    ['one', 'Basic realm="a, b=c"', [['basic', { realm: 'a, b=c' }]]],
    [
      'several',
      'Basic realm=a, DIGEST Realm="b" , Nonce = "c"',
      [
        ['basic', { realm: 'a' }],
        ['digest', { realm: 'b', nonce: 'c' }],
      ],
    ],
    [
      'schemes alone',
      'Negotiate, NTLM',
      [
        ['negotiate', {}],
        ['ntlm', {}],
      ],
    ],
    [
      'token68 before it',
      'Negotiate YWJj==, Digest realm=r',
      [
        ['negotiate', { ywjj: '' }],
        ['digest', { realm: 'r' }],
      ],
    ],
    ['empty elements', ', ,Digest ,realm=r,, nonce=n,', [['digest', { realm: 'r', nonce: 'n' }]]],
    ['a name twice: the first', 'Digest realm=a, realm=b', [['digest', { realm: 'a' }]]],
    ['parameters without a scheme', 'realm=a', []],
    ['a quote that does not end', 'Digest realm="a', [['digest', { realm: '' }]]],
    ['nothing', '', []],
  ])('reads %s', (_what, header, expected) => {
    expect(read(header)).toEqual(expected)
  })

  test('goes on behind what it cannot read', () => {
    expect(read('Negotiate YWJj/ZGVm==, @@@, Digest realm=r').at(-1)).toEqual(['digest', { realm: 'r' }])
  })

  test('never throws, and what it gives can be answered', () => {
    const header = fc.oneof(
      fc.string(),
      fc
        .array(
          fc.constantFrom(
            'Digest',
            'realm',
            'nonce',
            'qop',
            'auth',
            'MD5',
            'algorithm',
            '=',
            ',',
            '"',
            '\\',
            ' ',
            'x',
          ),
        )
        .map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(header, (text) => {
        const challenge = chooseDigest(parseChallenges(text))
        if (challenge === undefined) return
        const request = { username: 'ann', password: 'secret', method: 'GET', uri: '/', cnonce: 'c' }
        const value = answerDigest(challenge, request)
        expect(value).not.toContain('secret')
        expect(parseChallenges(value)[0]!.parameters.get('realm')).toBe(challenge.parameters.get('realm'))
      }),
    )
  })

  test('gives back any realm and nonce', () => {
    const text = fc.string({
      unit: fc.integer({ min: 32, max: 255 }).map((code) => String.fromCharCode(code)),
    })
    const quote = (value: string): string => `"${value.replace(/["\\]/g, '\\$&')}"`
    fc.assert(
      fc.property(text, text, (realm, nonce) => {
        const challenges = parseChallenges(`Digest realm=${quote(realm)},nonce=${quote(nonce)}`)
        expect(challenges).toEqual([
          {
            scheme: 'digest',
            parameters: new Map([
              ['realm', realm],
              ['nonce', nonce],
            ]),
          },
        ] satisfies Challenge[])
      }),
    )
  })

  test('takes time in proportion to the length', () => {
    const start = performance.now()
    parseChallenges('a="\\'.repeat(50_000))
    parseChallenges('"'.repeat(200_000))
    parseChallenges('@'.repeat(200_000))
    parseChallenges('@,'.repeat(100_000))
    expect(performance.now() - start).toBeLessThan(2000)
  })
})

test.each([
  ['true', true],
  ['TRUE', true],
  ['"true"', true],
  ['false', false],
  ['1', false],
])('isStale: stale=%s is %s', (value, expected) => {
  expect(isStale(parseChallenges(`Digest stale=${value}`)[0]!)).toBe(expected)
})
