// What a client can be told about its TCP connection: defaults, and checks.

import { isIP, type LookupFunction } from 'node:net'
import { LONGEST_DELAY } from '../checks.ts'

/** Set up the TCP connection, to the server or to the proxy. */
export interface TcpOptions {
  /** The address of this machine to connect from. */
  readonly localAddress?: string
  /** The port of this machine to connect from. */
  readonly localPort?: number
  /**
   * 4 or 6 for addresses of that version alone; 0 for both.
   * @default 0
   */
  readonly family?: 0 | 4 | 6
  /**
   * Try the addresses of a name in turn, IPv6 and IPv4, until one answers ("happy eyeballs", RFC 8305).
   * @default true, as Node does from version 20 on
   */
  readonly autoSelectFamily?: boolean
  /**
   * Time for one of them before the next is tried, in ms.
   * @default 250, as Node does
   */
  readonly autoSelectFamilyAttemptTimeout?: number
  /** Resolve names in another way than the system's; as for `net.connect`. */
  readonly lookup?: LookupFunction
  /**
   * Send what is written at once instead of waiting for more (TCP_NODELAY).
   * @default true
   */
  readonly noDelay?: boolean
  /**
   * Time without traffic after which TCP asks whether the peer is there, in ms; `false` turns it off.
   * @default 30_000
   */
  readonly keepAlive?: number | false
}

/** Hold the options as `net.connect` takes them, `keepAlive` but `undefined` when it is off. */
export interface ResolvedTcpOptions {
  readonly localAddress?: string
  readonly localPort?: number
  readonly family: 0 | 4 | 6
  readonly autoSelectFamily?: boolean
  readonly autoSelectFamilyAttemptTimeout?: number
  readonly lookup: LookupFunction | undefined
  readonly noDelay: boolean
  readonly keepAlive: number | undefined
}

/** 30 s, as websocket-client does: pings of our own notice a dead peer before it. */
const KEEP_ALIVE = 30_000

/** Fill in defaults. Throw a TypeError or RangeError that names the option which is wrong. */
export function resolveTcpOptions(options: TcpOptions): ResolvedTcpOptions {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError('tcp must be an object of options such as localAddress')
  }
  const { localAddress, localPort, family = 0, autoSelectFamily, autoSelectFamilyAttemptTimeout } = options
  const { lookup, noDelay = true, keepAlive = KEEP_ALIVE } = options
  if (localAddress !== undefined && (typeof localAddress !== 'string' || isIP(localAddress) === 0)) {
    throw new TypeError('tcp.localAddress must be an IPv4 or IPv6 address')
  }
  if (localPort !== undefined) checkPort('tcp.localPort', localPort)
  if (family !== 0 && family !== 4 && family !== 6) {
    throw new TypeError(`tcp.family must be 0, 4 or 6, not ${String(family)}`)
  }
  if (autoSelectFamily !== undefined) checkBoolean('tcp.autoSelectFamily', autoSelectFamily)
  if (autoSelectFamilyAttemptTimeout !== undefined) {
    checkTime('tcp.autoSelectFamilyAttemptTimeout', autoSelectFamilyAttemptTimeout)
  }
  if (lookup !== undefined && typeof lookup !== 'function') {
    throw new TypeError('tcp.lookup must be a function such as dns.lookup')
  }
  checkBoolean('tcp.noDelay', noDelay)
  if (keepAlive !== false) checkTime('tcp.keepAlive', keepAlive)
  return {
    ...(localAddress === undefined ? {} : { localAddress }),
    ...(localPort === undefined ? {} : { localPort }),
    family,
    ...(autoSelectFamily === undefined ? {} : { autoSelectFamily }),
    ...(autoSelectFamilyAttemptTimeout === undefined ? {} : { autoSelectFamilyAttemptTimeout }),
    lookup,
    noDelay,
    keepAlive: keepAlive === false ? undefined : keepAlive,
  }
}

/** Check a port and return it. Throw naming the option. */
export function checkPort(name: string, value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > 65_535) {
    throw new RangeError(`${name} must be a whole number of 0 to 65535, not ${String(value)}`)
  }
  return value
}

function checkBoolean(name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw new TypeError(`${name} must be true or false, not ${typeof value}`)
}

function checkTime(name: string, value: unknown): void {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number of ms, not ${typeof value}`)
  if (!(value > 0) || value > LONGEST_DELAY) {
    throw new RangeError(`${name} must be above 0 and at most ${LONGEST_DELAY} ms, not ${value}`)
  }
}
