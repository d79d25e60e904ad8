// Digest access authentication (RFC 7616): reads a server's challenges, and answers one of them. Pure: randomness is
// an argument, and nothing is remembered.

import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { HeaderScanner } from '../handshake/header-grammar.ts'

/** Hold one challenge of a WWW-Authenticate header. */
export interface Challenge {
  /** In lower case, such as `digest`. */
  readonly scheme: string
  /** Names in lower case; of a name that comes twice the first. */
  readonly parameters: ReadonlyMap<string, string>
}

/** Hold what an answer is made of. */
export interface DigestRequest {
  readonly username: string
  readonly password: string
  readonly method: string
  /** The request target. */
  readonly uri: string
  /** Fresh randomness in a form that may stand in quotes. */
  readonly cnonce: string
}

/** Read a WWW-Authenticate header (RFC 9110 section 11.6.1): what can be read of it, whatever stands beside that. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = []
  let parameters: Map<string, string> | undefined
  const scanner = new HeaderScanner(header)
  while (!scanner.done) {
    if (scanner.takeSeparator(',')) continue
    const name = scanner.takeToken()
    if (name === undefined) {
      // A token68 with "/" or "+" in it, or nonsense: the next challenge may be readable.
      scanner.skipTo(',')
      continue
    }
    if (!scanner.takeSeparator('=')) {
      parameters = new Map()
      challenges.push({ scheme: name.toLowerCase(), parameters })
      continue
    }
    // The padding of a token68, such as "Negotiate YWJj==".
    while (scanner.takeSeparator('=')) {}
    const value = scanner.takeQuotedString() ?? scanner.takeToken() ?? ''
    const lowerName = name.toLowerCase()
    if (parameters !== undefined && !parameters.has(lowerName)) parameters.set(lowerName, value)
  }
  return challenges
}

/** The hash functions, the strongest first, and what Node calls them. */
const HASHES: readonly (readonly [name: string, node: string])[] = [
  ['SHA-512-256', 'sha512-256'],
  ['SHA-256', 'sha256'],
  ['MD5', 'md5'],
]

interface Algorithm {
  /** As the challenge writes it. */
  readonly name: string
  readonly hash: (text: string) => string
  readonly isSession: boolean
  readonly rank: number
}

/**
 * Choose the challenge to answer: of those of Digest that can be answered the one with the strongest hash. `undefined`
 * when there is none.
 */
export function chooseDigest(challenges: readonly Challenge[]): Challenge | undefined {
  let best: Challenge | undefined
  let bestRank = Number.POSITIVE_INFINITY
  for (const challenge of challenges) {
    const rank = isAnswerable(challenge) ? findAlgorithm(challenge)?.rank : undefined
    if (rank === undefined || rank >= bestRank) continue
    best = challenge
    bestRank = rank
  }
  return best
}

/** Tell whether the server only wants a newer nonce: user and password are right. */
export function isStale({ parameters }: Challenge): boolean {
  return parameters.get('stale')?.toLowerCase() === 'true'
}

function isAnswerable({ scheme, parameters }: Challenge): boolean {
  return (
    scheme === 'digest' &&
    parameters.has('realm') &&
    parameters.has('nonce') &&
    // Without qop it is RFC 2069. A handshake has no body whose integrity could be protected (auth-int).
    (parameters.get('qop') === undefined || listsAuth(parameters.get('qop')!))
  )
}

function listsAuth(qop: string): boolean {
  return qop.split(',').some((option) => option.trim().toLowerCase() === 'auth')
}

function findAlgorithm({ parameters }: Challenge): Algorithm | undefined {
  const name = parameters.get('algorithm') ?? 'MD5'
  const upperName = name.toUpperCase()
  const isSession = upperName.endsWith('-SESS')
  const base = isSession ? upperName.slice(0, -'-SESS'.length) : upperName
  const rank = HASHES.findIndex(([hash]) => hash === base)
  const [, node] = HASHES[rank] ?? []
  if (node === undefined) return undefined
  return { name, hash: (text) => createHash(node).update(text, 'latin1').digest('hex'), isSession, rank }
}

/** Answer a challenge that `chooseDigest` gave: the value of the Authorization header. */
export function answerDigest(challenge: Challenge, request: DigestRequest): string {
  const { parameters } = challenge
  const { name, hash, isSession } = findAlgorithm(challenge)!
  const { username, password, method, uri, cnonce } = request
  const realm = parameters.get('realm')!
  const nonce = parameters.get('nonce')!
  const hasQop = parameters.has('qop')
  // RFC 7616 section 3.4.6: 1 for the first request with this nonce, and there is no second.
  const count = '00000001'

  // Headers are read and written byte by byte, so what goes between their values must be bytes of UTF-8 as well.
  const user = toBytes(username)
  const secret = hash(`${user}:${realm}:${toBytes(password)}`)
  const a1 = isSession ? hash(`${secret}:${nonce}:${cnonce}`) : secret
  const a2 = hash(`${method}:${uri}`)
  const response = hash(hasQop ? `${a1}:${nonce}:${count}:${cnonce}:auth:${a2}` : `${a1}:${nonce}:${a2}`)

  const isHashed = parameters.get('userhash')?.toLowerCase() === 'true'
  const fields = [
    writeUsername(isHashed ? hash(`${user}:${realm}`) : username),
    `realm=${quote(realm)}`,
    `nonce=${quote(nonce)}`,
    `uri=${quote(uri)}`,
    `response="${response}"`,
  ]
  // Servers before RFC 7616 may not expect what they did not send.
  if (parameters.has('algorithm')) fields.push(`algorithm=${name}`)
  if (parameters.has('opaque')) fields.push(`opaque=${quote(parameters.get('opaque')!)}`)
  if (hasQop) fields.push('qop=auth', `nc=${count}`)
  if (hasQop || isSession) fields.push(`cnonce=${quote(cnonce)}`)
  if (isHashed) fields.push('userhash=true')
  return `Digest ${fields.join(', ')}`
}

// RFC 7616 section 3.4: "username*" where a quoted string cannot hold the name.
function writeUsername(username: string): string {
  if (/^[\x20-\x7e]*$/.test(username)) return `username=${quote(username)}`
  return `username*=UTF-8''${encodeURIComponent(username).replace(/['()*]/g, encodeByte)}`
}

// RFC 8187 leaves these out of what may stand unencoded, and encodeURIComponent does not.
function encodeByte(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}

/** Give each byte of a text in UTF-8 as a character, as Node reads and writes headers. */
function toBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}
