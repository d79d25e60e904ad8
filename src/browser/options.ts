// The options of a client, as far as a browser can keep them. What it cannot is refused, unless it is a mere hint.

import { checkCount, checkDuration, checkSignal } from '../checks.ts'
import type { ConnectOptions } from '../client/options.ts'
import {
  checkHandler,
  checkStreamSize,
  type PortableOptions,
  resolveOpenTimeout,
  resolvePortableOptions,
} from '../connection/portable-options.ts'
import { assertSubprotocols } from '../handshake/subprotocol.ts'
import { CLIENT_MAX_MESSAGE_SIZE } from '../protocol/limits.ts'
import { notInBrowser } from './unsupported.ts'

/** Hold the options with all defaults filled in. */
export interface BrowserOptions extends PortableOptions {
  readonly maxMessageSize: number
  readonly maxStreamSize: number
  readonly maxLifetime: number
  readonly subprotocols: readonly string[]
  readonly openTimeout: number
  readonly signal: AbortSignal | undefined
}

interface Refusal {
  /** Tell whether a value asks for nothing that a browser would not do anyway. */
  isHarmless(value: unknown): boolean
  readonly instead: string
}

/** What no browser does, whatever it is told. */
const REFUSED: Readonly<Record<string, Refusal>> = {
  headers: {
    isHarmless: isEmpty,
    instead: 'Send a token in a cookie, in the query, as a subprotocol, or in the first message',
  },
  origin: { isHarmless: never, instead: 'Leave it out: the browser names the origin of the page' },
  userAgent: { isHarmless: never, instead: 'Leave it out: the browser names itself' },
  tls: {
    isHarmless: isEmpty,
    instead: 'Leave it out: the browser checks certificates, and asks for those of clients',
  },
  credentials: {
    isHarmless: never,
    instead: 'Log in by HTTP first, so that a cookie is sent, or send a token in the first message',
  },
  cookies: {
    // The browser has a jar of its own.
    isHarmless: (value) => value === true,
    instead: 'Leave it out: the browser sends the cookies that it has for the server',
  },
  proxy: {
    isHarmless: (value) => value === false,
    instead: 'Leave it out: the browser uses the proxy of its own settings',
  },
  connectTo: { isHarmless: never, instead: 'Put the host that you want to reach into the address' },
  socket: { isHarmless: never, instead: 'Leave it out: the browser opens its own' },
  tcp: { isHarmless: isEmpty, instead: 'Leave it out: the browser sets up TCP' },
  maxRedirects: {
    isHarmless: (value) => value === 0,
    instead: 'Give the address that the server redirects to: browsers follow no redirects of WebSockets',
  },
  extensions: {
    isHarmless: (value) => Array.isArray(value) && value.length === 0,
    instead: 'Do in your own messages what the extension would do',
  },
  trace: {
    isHarmless: (value) => value === false,
    instead: 'Look at the frames in the network panel of the developer tools',
  },
}

function never(): boolean {
  return false
}

function isEmpty(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const entries = Symbol.iterator in value ? (value as Iterable<unknown>) : Object.keys(value)
  for (const _ of entries) return false
  return true
}

/**
 * Fill in defaults. Throw a StateError for what a browser cannot do, and a TypeError or RangeError that names the option
 * which is wrong.
 */
export function resolveBrowserOptions<Data>(options: ConnectOptions<Data>): BrowserOptions {
  for (const [name, { isHarmless, instead }] of Object.entries(REFUSED)) {
    const value = (options as Readonly<Record<string, unknown>>)[name]
    if (value !== undefined && !isHarmless(value)) throw notInBrowser(`the option "${name}"`, instead)
  }
  const { handler, subprotocols = [], signal } = options
  assertSubprotocols(subprotocols)
  const openTimeout = resolveOpenTimeout(options.openTimeout)
  checkHandler(handler)
  checkSignal(signal)
  const maxMessageSize = checkCount('maxMessageSize', options.maxMessageSize ?? CLIENT_MAX_MESSAGE_SIZE, 0)
  return {
    ...resolvePortableOptions(options),
    maxMessageSize,
    maxStreamSize: checkStreamSize(options.maxStreamSize ?? maxMessageSize, maxMessageSize),
    maxLifetime: checkDuration('maxLifetime', options.maxLifetime ?? false),
    subprotocols,
    openTimeout,
    signal,
  }
}
