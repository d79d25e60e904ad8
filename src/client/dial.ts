// From an address to a stream on which a WebSocket was opened: request after request, as redirects and challenges
// lead, in the time of one opening.

import { randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { ConnectionOptions as TlsConnectionOptions } from 'node:tls'
import { type AgreedExtensions, confirmExtensions, offerExtensions } from '../connection/extensions.ts'
import { HandshakeError } from '../errors.ts'
import { buildRequestHeaders, headerValue, type ResponseHead } from '../handshake/http1.ts'
import { encodeKey } from '../handshake/key.ts'
import type { WebSocketUrl } from '../handshake/url.ts'
import { systemWheel } from '../timing/timer-wheel.ts'
import type { Observer } from '../trace/observer.ts'
import { type CookieJar, cookieUrl, createCookieJar, joinCookies, keepCookies } from './cookies.ts'
import { answerChallenges, authorize, type Credentials, checkCredentials } from './credentials.ts'
import { asFailure } from './failure.ts'
import {
  type Acceptance,
  asRejection,
  type OpeningRequest,
  type Refusal,
  shakeHands,
} from './handshake-http1.ts'
import { describeRoute, openStream } from './open-stream.ts'
import { Opening } from './opening.ts'
import type { ResolvedConnectOptions } from './options.ts'
import {
  isRedirect,
  isSameOrigin,
  resolveRedirect,
  withoutPrivateHeaders,
  withoutPrivateTls,
} from './redirect.ts'
import { chooseRoute, explainFixedRoute } from './route.ts'

/** Hold what dialling brought. */
export interface Dialled {
  readonly socket: Duplex
  /** Bytes that came with the response: they belong to the WebSocket. */
  readonly early: Uint8Array
  /** The path and query that were asked for in the end. */
  readonly target: string
  /** The headers that were sent, names in lower case. */
  readonly requestHeaders: Readonly<Record<string, string>>
  readonly response: ResponseHead
  readonly subprotocol: string | undefined
  readonly extensions: AgreedExtensions
}

/** One request: where it goes, and what may go there. */
interface Hop {
  readonly url: WebSocketUrl
  readonly headers: readonly (readonly [string, string])[]
  readonly cookies: string | undefined
  readonly credentials: Credentials | undefined
  readonly tls: TlsConnectionOptions
  /** Redirects that led here. */
  readonly redirects: number
  /** Challenges that were answered here. */
  readonly answers: number
  /** The answer to the last one. */
  readonly authorization: string | undefined
}

/**
 * Open a WebSocket at an address, over at most `maxRedirects` redirects. Rejects with HandshakeError,
 * HandshakeRejectedError, WebSocketTimeoutError, StateError for a missing package, or the signal's reason; then no
 * socket is left. Throws a TypeError for a header that must not be sent, before anything is dialled.
 */
export async function dial(
  url: WebSocketUrl,
  options: ResolvedConnectOptions,
  observer?: Observer,
): Promise<Dialled> {
  const { signal } = options
  if (signal?.aborted) throw signal.reason
  const opening = new Opening(options.openTimeout, signal)
  try {
    const jar = await opening.race(openJar(options.cookies))
    let hop = firstHop(url, options)
    for (;;) {
      const result = await tryOnce(opening, hop, jar, options, observer)
      if ('socket' in result) {
        opening.succeed()
        return result
      }
      opening.dropSockets()
      hop = result
    }
  } catch (error) {
    opening.fail(error)
    throw error
  }
}

async function openJar(cookies: ResolvedConnectOptions['cookies']): Promise<CookieJar | undefined> {
  if (cookies === true) return await createCookieJar()
  return typeof cookies === 'object' ? cookies : undefined
}

function firstHop(url: WebSocketUrl, options: ResolvedConnectOptions): Hop {
  const { username, password } = url
  const ofUrl = username || password ? { username, password } : undefined
  if (ofUrl !== undefined) checkCredentials(ofUrl)
  return {
    url,
    headers: options.headers,
    cookies: typeof options.cookies === 'string' ? options.cookies : undefined,
    credentials: options.credentials ?? ofUrl,
    tls: options.tls,
    redirects: 0,
    answers: 0,
    authorization: undefined,
  }
}

/** Make one request. Gives what it opened, or the request to make next. */
async function tryOnce(
  opening: Opening,
  hop: Hop,
  jar: CookieJar | undefined,
  options: ResolvedConnectOptions,
  observer: Observer | undefined,
): Promise<Dialled | Hop> {
  const { url } = hop
  const cookies =
    jar === undefined ? undefined : await opening.race(Promise.resolve(jar.getCookieString(cookieUrl(url))))
  const request = buildRequest(hop, cookies, options)
  const route = chooseRoute(url, options, process.env)
  const stream = await openStream(opening, route, {
    tcp: options.tcp,
    tls: url.secure ? { hostname: url.hostname, options: hop.tls } : undefined,
    userAgent: options.userAgent,
  })

  opening.phase = 'handshake'
  let next: Hop | string | undefined
  let answer: Acceptance | Refusal
  try {
    const needsBody = (head: ResponseHead): boolean => {
      next = findNext(hop, head, options)
      return typeof next !== 'object'
    }
    answer = await shakeHands(opening, stream, request, needsBody, observer)
  } catch (error) {
    throw opening.isOver ? error : asFailure(error, 'handshake', describeRoute(route))
  }
  const { head } = answer
  if (jar !== undefined) await opening.race(keepCookies(jar, setCookies(head), url))

  if (answer.kind === 'accepted') {
    const { subprotocol, extensions } = answer.handshake
    return {
      socket: stream,
      early: answer.early,
      target: url.target,
      requestHeaders: Object.fromEntries(request.headers.map(([name, value]) => [name.toLowerCase(), value])),
      response: head,
      subprotocol,
      extensions: confirmExtensions(extensions, options.connection, systemWheel),
    }
  }
  if (typeof next === 'object') return next
  const rejection = asRejection(answer)
  if (next === undefined) throw rejection
  throw new HandshakeError({
    code: 'WS_BAD_REDIRECT',
    detail: next,
    status: head.status,
    cause: rejection,
  })
}

function buildRequest(
  hop: Hop,
  jarCookies: string | undefined,
  options: ResolvedConnectOptions,
): OpeningRequest {
  const { url, authorization = authorize(hop.credentials) } = hop
  const { subprotocols } = options
  const key = encodeKey(randomBytes(16))
  const headers = buildRequestHeaders({
    key,
    host: url.host,
    target: url.target,
    subprotocols,
    extensions: offerExtensions(options.connection),
    origin: options.origin,
    authorization,
    userAgent: options.userAgent,
    headers: withCookies(hop, jarCookies),
  })
  return { target: url.target, headers, key, subprotocols }
}

/** Put all cookies into one header: "the user agent MUST NOT attach more than one Cookie header field" (RFC 6265 section 5.4). */
function withCookies(hop: Hop, jarCookies: string | undefined): readonly (readonly [string, string])[] {
  const isCookie = ([name]: readonly [string, string]): boolean => String(name).toLowerCase() === 'cookie'
  const own = hop.headers.filter(isCookie).map(([, value]) => value)
  const cookies = joinCookies([...own, hop.cookies, jarCookies])
  if (cookies === undefined || (own.length === 1 && own[0] === cookies)) return hop.headers
  return [...hop.headers.filter((header) => !isCookie(header)), ['Cookie', cookies]]
}

/** Find out what to do about an answer: the request to make next, why a redirect is not followed, or nothing. */
function findNext(hop: Hop, head: ResponseHead, options: ResolvedConnectOptions): Hop | string | undefined {
  const location = headerValue(head.headers, 'location')
  if (isRedirect(head.status, location)) return followRedirect(hop, location, options)
  if (head.status !== 401 || hop.headers.some(([name]) => name.toLowerCase() === 'authorization')) {
    return undefined
  }
  const authorization = answerChallenges(hop.credentials, headerValue(head.headers, 'www-authenticate'), {
    target: hop.url.target,
    answers: hop.answers,
  })
  return authorization && { ...hop, answers: hop.answers + 1, authorization }
}

function followRedirect(
  hop: Hop,
  location: string,
  options: ResolvedConnectOptions,
): Hop | string | undefined {
  const { maxRedirects } = options
  if (maxRedirects === 0) return undefined
  const fixed = explainFixedRoute(hop.url, options)
  if (fixed !== undefined) return fixed
  if (hop.redirects === maxRedirects) return `there were more than ${maxRedirects} in a row (maxRedirects)`
  const url = resolveRedirect(hop.url, location)
  if (typeof url === 'string') return url
  const next = { ...hop, url, redirects: hop.redirects + 1, answers: 0, authorization: undefined }
  if (isSameOrigin(hop.url, url)) return next
  return {
    ...next,
    headers: withoutPrivateHeaders(hop.headers),
    cookies: undefined,
    credentials: undefined,
    tls: withoutPrivateTls(hop.tls),
  }
}

function setCookies({ headers }: ResponseHead): readonly string[] {
  const cookies = headers['set-cookie']
  return typeof cookies === 'string' ? [cookies] : (cookies ?? [])
}
