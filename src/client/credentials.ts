// Who a client says it is: Basic and Bearer with the first request, Digest as an answer to a challenge.

import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { answerDigest, chooseDigest, isStale, parseChallenges } from './digest.ts'

/** Say who the client is: a user with a password, or a token. */
export type Credentials =
  | {
      readonly username: string
      readonly password: string
      /**
       * `basic` sends both with the first request, so it is for `wss:`; `digest` never sends the password, and answers
       * a challenge of the server.
       * @default 'basic'
       */
      readonly scheme?: 'basic' | 'digest'
    }
  | {
      /** Sent as Bearer. */
      readonly token: string
    }

/** Check credentials. Throw a TypeError that names what is wrong, and shows no secret. */
export function checkCredentials(credentials: Credentials): void {
  if (typeof credentials !== 'object' || credentials === null) {
    throw new TypeError('credentials must be an object with username and password, or with token')
  }
  if ('token' in credentials) {
    // RFC 6750 section 2.1, and whatever else is printed without spaces: servers make their own.
    if (typeof credentials.token !== 'string' || !/^[\x21-\x7e]+$/.test(credentials.token)) {
      throw new TypeError('credentials.token must be a string of printable ASCII characters without spaces')
    }
    return
  }
  const { username, password, scheme = 'basic' } = credentials
  if (typeof username !== 'string') throw new TypeError('credentials.username must be a string')
  if (typeof password !== 'string') throw new TypeError('credentials.password must be a string')
  if (scheme !== 'basic' && scheme !== 'digest') {
    throw new TypeError(`credentials.scheme must be 'basic' or 'digest', not ${String(scheme)}`)
  }
  // RFC 7617 section 2, and the same in RFC 7616 section 3.4.4: what is behind it would be the password.
  if (username.includes(':')) throw new TypeError('credentials.username must not have a colon in it')
}

/** Give the value of the Authorization header of a first request; `undefined` without one. */
export function authorize(credentials: Credentials | undefined): string | undefined {
  if (credentials === undefined) return undefined
  if ('token' in credentials) return `Bearer ${credentials.token}`
  if (credentials.scheme === 'digest') return undefined
  return basic(credentials)
}

/** Give the value of a header with Basic credentials, for a server or a proxy (RFC 7617 section 2). */
export function basic({
  username,
  password,
}: {
  readonly username: string
  readonly password: string
}): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/**
 * Answer the challenges of a 401 with Digest; `undefined` when the credentials are of another kind, when no challenge
 * can be answered, or when the server does not believe an answer that it got already.
 */
export function answerChallenges(
  credentials: Credentials | undefined,
  header: string | undefined,
  request: { readonly target: string; readonly answers: number },
): string | undefined {
  if (credentials === undefined || 'token' in credentials || credentials.scheme !== 'digest') return undefined
  const challenge = chooseDigest(parseChallenges(header ?? ''))
  if (challenge === undefined) return undefined
  const { answers, target } = request
  // "stale" says that user and password are right. Twice in a row it is a server that never has enough.
  if (answers > 1 || (answers === 1 && !isStale(challenge))) return undefined
  return answerDigest(challenge, {
    username: credentials.username,
    password: credentials.password,
    method: 'GET',
    uri: target,
    cnonce: randomBytes(16).toString('base64url'),
  })
}
