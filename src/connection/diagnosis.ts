// How a connection ended and why, in one or two sentences for a person, written from facts that a program can read
// too. The second sentence is a guess, and says so.

import { ProtocolError, printable, WebSocketTimeoutError } from '../errors.ts'
import type { CloseCause, CloseFacts, CloseFrame, CloseInfo, CloseLimit } from '../protocol/close-code.ts'
import { CloseCode, explainCloseCode } from '../protocol/close-code.ts'
import type { Role } from '../protocol/protocol.ts'
import { explainError, isTlsError, systemErrorCode } from './system-error.ts'

/** Hold what was measured of a connection, before anything is concluded from it. */
export type MeasuredFacts = Omit<CloseFacts, 'limit' | 'systemError' | 'cause'>

/** Hold all that is known of an end. */
export interface Ending {
  /** Our end. */
  readonly role: Role
  readonly received: CloseFrame | undefined
  readonly sent: CloseFrame | undefined
  readonly initiator: 'local' | 'remote'
  /** What broke the connection on our side: a violation, a timeout, an error of the socket. */
  readonly error: Error | undefined
  readonly wasTerminated: boolean
  /** True when we closed because `maxLifetime` was over. */
  readonly isLifetimeOver: boolean
  readonly measured: MeasuredFacts
}

/** Hold facts of which nothing is known, as in a browser. */
export const NOTHING_MEASURED: MeasuredFacts = {
  openFor: undefined,
  sinceReceived: undefined,
  sinceSent: undefined,
  sincePing: undefined,
  sincePong: undefined,
  sincePeerPing: undefined,
  latency: undefined,
  smoothedLatency: undefined,
  unsent: undefined,
  wasReadingPaused: false,
  stoodStill: undefined,
}

/** A standstill of this length, in ms, can cost a connection; shorter ones happen, and do no harm. */
const LONG_STANDSTILL = 5000

/** Bytes that are more than a few pings and a close frame, which always wait when a line is dead. */
const MUCH_UNSENT = 1024

/** A likely cause, and the sentence that tells of it. */
interface Guess {
  readonly cause: CloseCause
  /** Absent where the first sentence has said it. */
  readonly words?: string
}

/** Say what happened, and conclude from it. */
export function explainClose(ending: Ending): Pick<CloseInfo, 'diagnosis' | 'facts'> {
  const { error, measured } = ending
  const guess = guessCause(ending)
  const sentence = `${tellEnd(ending)}${tellDetails(ending)}`
  return {
    diagnosis: guess?.words === undefined ? sentence : `${sentence}. ${guess.words}`,
    facts: {
      ...measured,
      limit: ending.isLifetimeOver ? 'maxLifetime' : limitOf(error),
      systemError: systemErrorCode(error),
      cause: guess?.cause,
    },
  }
}

const LIMITS: Readonly<Record<string, CloseLimit>> = {
  WS_MESSAGE_TOO_BIG: 'maxMessageSize',
  WS_TOO_MANY_FRAGMENTS: 'maxFragments',
  WS_SLOW_CONSUMER: 'maxBufferedAmount',
  WS_INBOX_OVERFLOW: 'maxBufferedAmount',
  WS_MESSAGE_TIMEOUT: 'messageTimeout',
}

/** Name the limit that an error of ours tells of. */
export function limitOf(error: Error | undefined): CloseLimit | undefined {
  if (error instanceof ProtocolError) return LIMITS[error.code]
  if (!(error instanceof WebSocketTimeoutError)) return undefined
  return error.phase === 'ping' ? 'pingTimeout' : error.phase === 'close' ? 'closeTimeout' : undefined
}

// --- what happened ---

function tellEnd({ received, sent, initiator, error, wasTerminated }: Ending): string {
  if (wasTerminated) return 'terminate() was called'
  if (error !== undefined && received === undefined) return explainError(error)
  if (received !== undefined && sent !== undefined) {
    return initiator === 'local'
      ? `we closed with ${describeFrame(sent)} and the peer answered`
      : `the peer closed with ${describeFrame(received)} and we answered`
  }
  if (received !== undefined) return `the peer closed with ${describeFrame(received)}`
  if (sent !== undefined) {
    return `we closed with ${describeFrame(sent)} and the peer ended the TCP connection without an answer`
  }
  return 'the peer ended the TCP connection without a close frame'
}

function describeFrame({ code, reason }: CloseFrame): string {
  return `${explainCloseCode(code)}${reason && ` "${printable(reason)}"`}`
}

// After an ordinary close nobody asks when the last byte came.
function tellDetails({ received, error, measured }: Ending): string {
  if (received !== undefined) return ''
  const { openFor, sinceReceived, sincePing, sincePong, unsent = 0 } = measured
  const details: string[] = []
  const silence = silenceOf(measured)
  if (sinceReceived === undefined) {
    if (openFor !== undefined) details.push('no byte ever came')
  } else if (silence !== undefined && silence >= 1000 && silence > 0.9 * sinceReceived) {
    details.push(`no byte came or went for ${describeDuration(silence)}`)
  } else if (sinceReceived >= 1000) {
    details.push(`the last byte came ${describeDuration(sinceReceived)} ago`)
  }
  const isPingOpen = sincePing !== undefined && (sincePong === undefined || sincePong > sincePing)
  if (isPingOpen && sincePing >= 1000 && limitOf(error) !== 'pingTimeout') {
    details.push(`our ping of ${describeDuration(sincePing)} ago was not answered`)
  }
  if (unsent >= MUCH_UNSENT) details.push(`${describeSize(unsent)} were still unsent`)
  return details.length === 0 ? '' : `; ${details.join(', ')}`
}

/** How long nothing came and nothing went; `undefined` when that is not known. */
function silenceOf({ openFor, sinceReceived, sinceSent }: MeasuredFacts): number | undefined {
  const received = sinceReceived ?? openFor
  const sent = sinceSent ?? openFor
  return received === undefined || sent === undefined ? undefined : Math.min(received, sent)
}

// --- why ---

function guessCause(ending: Ending): Guess | undefined {
  const { received, sent, error, wasTerminated, isLifetimeOver } = ending
  if (isLifetimeOver) return { cause: 'lifetime' }
  if (wasTerminated) return undefined
  if (received !== undefined) {
    // What we began ended as we wanted.
    return ending.initiator === 'local' && sent !== undefined ? undefined : guessFromFrame(received, ending)
  }
  if (error === undefined) return sent === undefined ? guessFromEnd(ending) : undefined
  const limit = limitOf(error)
  if (limit !== undefined) return guessFromLimit(limit, ending)
  const code = systemErrorCode(error)
  if (code === undefined) return undefined
  if (isTlsError(error)) return { cause: 'tls' }
  return SYSTEM_CAUSES[code]?.(ending)
}

const SYSTEM_CAUSES: Readonly<Record<string, (ending: Ending) => Guess>> = {
  ECONNRESET: guessFromEnd,
  EPIPE: guessFromEnd,
  ECONNABORTED: guessFromEnd,
  ERR_STREAM_PREMATURE_CLOSE: guessFromEnd,
  ETIMEDOUT: guessNetwork,
  EHOSTDOWN: guessNetwork,
  EHOSTUNREACH: guessNetwork,
  ENETDOWN: guessNetwork,
  ENETRESET: guessNetwork,
  ENETUNREACH: guessNetwork,
}

function guessNetwork(ending: Ending): Guess {
  return (
    guessOurFault(ending) ?? {
      cause: 'network',
      words: "Probably the network drops packets, or the peer's machine is gone",
    }
  )
}

function guessFromFrame({ code, reason }: CloseFrame, ending: Ending): Guess | undefined {
  if (code === CloseCode.ServiceRestart) {
    return { cause: 'restart', words: 'The service restarts: connect again after a while' }
  }
  if (code === CloseCode.TryAgainLater) {
    return { cause: 'overload', words: 'The service has too much to do: connect again later, or elsewhere' }
  }
  if (code === CloseCode.MessageTooBig) {
    return { cause: 'limit', words: 'A message of ours was larger than the peer takes' }
  }
  if (code === CloseCode.GoingAway && ending.role === 'client') {
    return { cause: 'restart', words: 'Probably the server stops or restarts: connect again' }
  }
  // "keepalive ping timeout", "heartbeat timeout" and the like: the peer did not hear of us.
  if (code === CloseCode.InternalError && /\b(?:ping|pong|heartbeat|keep-?alive)\b/i.test(reason)) {
    return (
      guessOurFault(ending) ?? { cause: 'network', words: 'Probably the network did not deliver our pongs' }
    )
  }
  return undefined
}

function guessFromLimit(limit: CloseLimit, ending: Ending): Guess | undefined {
  const { unsent = 0 } = ending.measured
  switch (limit) {
    case 'pingTimeout':
      if (unsent >= MUCH_UNSENT) {
        return { cause: 'slow-reader', words: 'Probably the peer does not read, or hangs' }
      }
      return (
        guessOurFault(ending) ?? {
          cause: 'network',
          words: 'Probably the network drops packets, or the peer hangs',
        }
      )
    case 'closeTimeout':
      if (unsent >= MUCH_UNSENT)
        return { cause: 'slow-reader', words: 'Probably the peer does not read, or reads slowly' }
      return { cause: 'network', words: 'Probably the network drops packets, or the peer hangs' }
    case 'maxBufferedAmount':
      return { cause: 'slow-reader', words: 'Await send(), so that a slow peer sets the pace' }
    case 'maxMessageSize':
    case 'maxFragments':
    case 'messageTimeout':
      return { cause: 'limit', words: `Raise ${limit} if such messages are wanted` }
    default:
      return undefined
  }
}

/** Guess why the line ended without a word from the peer. */
function guessFromEnd(ending: Ending): Guess {
  const ours = guessOurFault(ending)
  if (ours !== undefined) return ours
  const limit = roundLimit(silenceOf(ending.measured))
  if (limit !== undefined) {
    return {
      cause: 'idle-limit',
      words: `Probably a proxy's idle limit of ${describeDuration(limit)}: set pingInterval below it`,
    }
  }
  return {
    cause: 'peer-gone',
    words:
      ending.role === 'server'
        ? "Probably the client's program ended without closing"
        : "Probably the server's process was killed or crashed, or a proxy between was restarted",
  }
}

function guessOurFault({ measured }: Ending): Guess | undefined {
  const { stoodStill, wasReadingPaused } = measured
  if (stoodStill !== undefined && stoodStill >= LONG_STANDSTILL) {
    return {
      cause: 'standstill',
      words: `Probably because this process had stood still for ${describeDuration(stoodStill)}: a computer that slept, or a blocked event loop`,
    }
  }
  if (!wasReadingPaused) return undefined
  return { cause: 'paused', words: 'Probably the peer gave up because we had stopped reading' }
}

// In seconds: what proxies, load balancers and routers are set to by default or by habit.
const USUAL_LIMITS = [
  10, 15, 20, 30, 45, 50, 55, 60, 75, 90, 100, 120, 150, 180, 240, 300, 350, 400, 600, 900, 1200, 1800, 3600,
  4000, 7200, 14_400, 28_800, 86_400,
]

/** Find the usual idle limit, in ms, that a silence met; timers come late rather than early. */
function roundLimit(silence: number | undefined): number | undefined {
  if (silence === undefined) return undefined
  const seconds = silence / 1000
  const limit = USUAL_LIMITS.find((one) => seconds > one - 0.5 && seconds < one + Math.max(1.5, one / 100))
  return limit === undefined ? undefined : limit * 1000
}

// --- words ---

/** Put a duration in ms into words, such as `41 s`. */
export function describeDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  const seconds = Math.round(ms / 1000)
  if (seconds <= 600) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes <= 180) return `${minutes} min`
  const hours = Math.round(minutes / 60)
  return hours <= 72 ? `${hours} h` : `${Math.round(hours / 24)} days`
}

function describeSize(bytes: number): string {
  const kib = bytes / 1024
  if (kib < 1024) return `${kib < 10 ? kib.toFixed(1) : Math.round(kib)} KiB`
  const mib = kib / 1024
  return `${mib < 10 ? mib.toFixed(1) : Math.round(mib)} MiB`
}
