// What several ends of connections to one URL have in common: one end may be chance, four that look alike are not.

import { describeDuration } from '../connection/diagnosis.ts'
import { CloseCode, type CloseFacts, type CloseInfo, explainCloseCode } from '../protocol/close-code.ts'

/** Hold of an end what makes a pattern. */
export interface ConnectionEnd extends Pick<CloseInfo, 'code' | 'initiator' | 'received' | 'sent'> {
  readonly facts?:
    | Pick<CloseFacts, 'cause' | 'limit' | 'openFor' | 'sinceReceived' | 'sinceSent' | 'systemError'>
    | undefined
}

/** Keep of an end what makes a pattern: thousands of clients keep several each. */
export function summariseEnd({ code, initiator, received, sent, facts }: CloseInfo): ConnectionEnd {
  if (facts === undefined) return { code, initiator, received, sent }
  const { cause, limit, openFor, sinceReceived, sinceSent, systemError } = facts
  return {
    code,
    initiator,
    received,
    sent,
    facts: { cause, limit, openFor, sinceReceived, sinceSent, systemError },
  }
}

// Timers of proxies are coarse, and so is the time at which we hear of an end.
const TOLERANCE = 1500
const RELATIVE_TOLERANCE = 0.03
// Below this a silence is a pause between two messages, and no limit is that short.
const SHORTEST_SILENCE = 5000
const SHORTEST_LIFETIME = 5000
/** A connection that ended within this time, in ms, was of no use. */
const AT_ONCE = 2000

const NUMBERS = [
  '',
  'once',
  'twice',
  'three times',
  'four times',
  'five times',
  'six times',
  'seven times',
  'eight times',
]

/** Recognise one pattern. */
interface Pattern {
  /** So many ends in a row make the pattern. */
  readonly least: number
  /** Give what the ends must have in common: a duration in ms, which may differ a little, or a name; `undefined` when this end does not fit. */
  read(info: ConnectionEnd): number | string | undefined
  tell(times: string, common: number | string): string
}

const PATTERNS: readonly Pattern[] = [
  {
    least: 2,
    read: (info) => (info.facts?.cause === 'standstill' ? 'standstill' : undefined),
    tell: (times) =>
      `this process had stood still ${times} before the connection ended: look for what blocks its event loop, or for a computer that sleeps`,
  },
  {
    least: 2,
    read: readSilence,
    tell: (times, silence) =>
      `silent for ${describeDuration(Number(silence))} ${times}: probably a proxy's idle limit; set pingInterval below it`,
  },
  {
    least: 2,
    read: (info) => (info.facts?.cause === 'slow-reader' ? 'slow-reader' : undefined),
    tell: (times) => `the peer did not read what it was sent ${times}: await send(), or send less`,
  },
  {
    least: 2,
    read: (info) => {
      const limit = info.facts?.limit
      return limit === 'maxMessageSize' || limit === 'maxFragments' || limit === 'messageTimeout'
        ? limit
        : undefined
    },
    tell: (times, limit) => `${limit} was exceeded ${times}: raise it if such messages are wanted`,
  },
  {
    least: 2,
    read: (info) => (info.received?.code === CloseCode.MessageTooBig ? 'too big' : undefined),
    tell: (times) => `the peer found a message too big ${times}: send smaller ones, or raise its limit`,
  },
  {
    least: 2,
    read: (info) => (info.facts?.limit === 'pingTimeout' ? 'no pong' : undefined),
    tell: (times) =>
      `no answer to pings ${times}: probably the network drops packets, or the peer's event loop is blocked for longer than pingTimeout`,
  },
  {
    least: 3,
    read: (info) => {
      const { code } = info
      return code === CloseCode.GoingAway || code === CloseCode.ServiceRestart
        ? info.initiator === 'remote' && info.received !== undefined
          ? 'restart'
          : undefined
        : undefined
    },
    tell: (times) => `the server stopped or restarted ${times}`,
  },
  {
    least: 2,
    // What the peer says with a code of its own it will say again.
    read: (info) => {
      const { received, initiator } = info
      if (received === undefined || initiator === 'local' || isOrdinary(received.code)) return undefined
      return explainCloseCode(received.code)
    },
    tell: (times, code) => `the peer closed with ${code} ${times}: connecting again will hardly help`,
  },
  {
    least: 3,
    read: (info) => {
      const openFor = info.facts?.openFor
      return isCutOff(info) && openFor !== undefined && openFor < AT_ONCE ? 'at once' : undefined
    },
    tell: (times) =>
      `cut off as soon as it was open ${times}: probably the peer fails on what it is sent, or something between does not carry WebSockets`,
  },
  {
    least: 3,
    read: (info) => {
      const openFor = info.facts?.openFor
      return isCutOff(info) && openFor !== undefined && openFor >= SHORTEST_LIFETIME ? openFor : undefined
    },
    tell: (times, openFor) =>
      `cut off after ${describeDuration(Number(openFor))} ${times}: probably a proxy's longest time for a connection; set maxLifetime below it`,
  },
  {
    least: 3,
    read: (info) => (isCutOff(info) ? (info.facts?.systemError ?? 'end') : undefined),
    tell: (times, error) =>
      `cut off without a close frame ${times}${error === 'end' ? '' : ` (${error})`}: probably the peer crashes, or the line is bad`,
  },
]

/**
 * Say what the last connections to one URL have in common, given how each ended, the oldest first; `undefined` when
 * they have nothing in common. The last eight are looked at.
 */
export function describeClosePattern(infos: readonly ConnectionEnd[]): string | undefined {
  const recent = infos.slice(-8).reverse()
  for (const pattern of PATTERNS) {
    const words = match(pattern, recent)
    if (words !== undefined) return words
  }
  return undefined
}

/** Count how many ends, from the last one back, fit a pattern and each other. */
function match(pattern: Pattern, recent: readonly ConnectionEnd[]): string | undefined {
  const values: (number | string)[] = []
  for (const info of recent) {
    const value = pattern.read(info)
    if (value === undefined || !values.every((one) => isAlike(one, value))) break
    values.push(value)
  }
  if (values.length < pattern.least) return undefined
  return pattern.tell(`${NUMBERS[values.length]} in a row`, middle(values))
}

function isAlike(one: number | string, other: number | string): boolean {
  if (typeof one === 'string' || typeof other === 'string') return one === other
  return Math.abs(one - other) <= Math.max(TOLERANCE, RELATIVE_TOLERANCE * Math.max(one, other))
}

/** Give the middle of durations; names are all the same. */
function middle(values: readonly (number | string)[]): number | string {
  const sorted = [...values].sort((one, other) => Number(one) - Number(other))
  return sorted[Math.floor((sorted.length - 1) / 2)]!
}

/** Tell whether the line ended without a word from either end. */
function isCutOff({ received, sent, initiator }: ConnectionEnd): boolean {
  return received === undefined && sent === undefined && initiator === 'remote'
}

function isOrdinary(code: number): boolean {
  return (
    code === CloseCode.Normal ||
    code === CloseCode.GoingAway ||
    code === CloseCode.NoCode ||
    code === CloseCode.Abnormal ||
    code === CloseCode.InternalError ||
    code === CloseCode.ServiceRestart ||
    code === CloseCode.TryAgainLater
  )
}

function readSilence(info: ConnectionEnd): number | undefined {
  if (!isCutOff(info) || info.facts === undefined) return undefined
  const { openFor, sinceReceived = openFor, sinceSent = openFor } = info.facts
  if (sinceReceived === undefined || sinceSent === undefined) return undefined
  const silence = Math.min(sinceReceived, sinceSent)
  return silence >= SHORTEST_SILENCE ? silence : undefined
}
