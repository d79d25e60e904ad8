import { describe, expect, test } from 'vitest'
import {
  answerChallenges,
  authorize,
  type Credentials,
  checkCredentials,
} from '../../src/client/credentials.ts'

const DIGEST: Credentials = { username: 'ann', password: 'secret', scheme: 'digest' }
const CHALLENGE = 'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'
const FIRST = { target: '/chat', answers: 0 }

describe('checkCredentials', () => {
  test.each<Credentials>([
    { username: 'ann', password: 'secret' },
    { username: '', password: '' },
    { username: '你', password: 'a:b', scheme: 'basic' },
    DIGEST,
    { token: 'mF_9.B5f-4.1JqM~+/=' },
  ])('takes %o', (credentials) => {
    expect(() => checkCredentials(credentials)).not.toThrow()
  })

  test.each<[string, unknown]>([
    ['credentials', 'ann:secret'],
    ['credentials', null],
    ['credentials.username', {}],
    ['credentials.username', { username: 1, password: 'secret' }],
    ['credentials.username', { username: 'a:b', password: 'secret' }],
    ['credentials.username', { username: 'a:b', password: 'secret', scheme: 'digest' }],
    ['credentials.password', { username: 'ann' }],
    ['credentials.scheme', { username: 'ann', password: 'secret', scheme: 'ntlm' }],
    ['credentials.token', { token: '' }],
    ['credentials.token', { token: 1 }],
    ['credentials.token', { token: 'secret token' }],
    ['credentials.token', { token: 'secret\r\nX: y' }],
    ['credentials.token', { token: 'secret\u00e9' }],
  ])('names a wrong %s: %o, and shows no secret', (name, credentials) => {
    let message = ''
    try {
      checkCredentials(credentials as Credentials)
    } catch (error) {
      expect(error).toBeInstanceOf(TypeError)
      message = (error as Error).message
    }
    expect(message.startsWith(name)).toBe(true)
    expect(message).not.toContain('secret')
  })
})

test.each<[Credentials | undefined, string | undefined]>([
  [undefined, undefined],
  // RFC 7617 section 2
  [{ username: 'Aladdin', password: 'open sesame' }, 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=='],
  [{ username: 'test', password: '123\u00a3' }, 'Basic dGVzdDoxMjPCow=='],
  [{ token: 'mF_9.B5f-4.1JqM' }, 'Bearer mF_9.B5f-4.1JqM'],
  [DIGEST, undefined],
])('authorize %o', (credentials, expected) => {
  expect(authorize(credentials)).toBe(expected)
})

describe('answerChallenges', () => {
  test('answers with Digest, without the password', () => {
    const answer = answerChallenges(DIGEST, CHALLENGE, FIRST)
    expect(answer).toMatch(
      /^Digest username="ann", realm="r", nonce="n", uri="\/chat", response="[0-9a-f]{64}"/,
    )
    expect(answer).not.toContain('secret')
  })

  test('takes a new cnonce each time', () => {
    const answers = new Set([1, 2, 3].map(() => answerChallenges(DIGEST, CHALLENGE, FIRST)))
    expect(answers.size).toBe(3)
  })

  test.each<[string, Credentials | undefined, string | undefined, number]>([
    ['without credentials', undefined, CHALLENGE, 0],
    ['with Basic', { username: 'ann', password: 'secret' }, CHALLENGE, 0],
    ['with a token', { token: 'secret' }, CHALLENGE, 0],
    ['without a challenge', DIGEST, undefined, 0],
    ['to a challenge of Basic', DIGEST, 'Basic realm="r"', 0],
    ['a second time', DIGEST, CHALLENGE, 1],
    ['a second time when the nonce is not stale', DIGEST, `${CHALLENGE}, stale=false`, 1],
    ['a third time', DIGEST, `${CHALLENGE}, stale=true`, 2],
  ])('gives nothing %s', (_what, credentials, header, answers) => {
    expect(answerChallenges(credentials, header, { target: '/', answers })).toBeUndefined()
  })

  test('a second time when the nonce is stale', () => {
    const header = 'Digest realm="r", nonce="m", stale=TRUE'
    expect(answerChallenges(DIGEST, header, { target: '/', answers: 1 })).toContain('nonce="m"')
  })
})
