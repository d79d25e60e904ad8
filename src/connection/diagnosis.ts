// How a connection ended, in one sentence for a person.

import { printable } from '../errors.ts'
import type { CloseFrame } from '../protocol/close-code.ts'
import { explainCloseCode } from '../protocol/close-code.ts'

/** Hold the facts of an end. */
export interface ClosingFacts {
  readonly received: CloseFrame | undefined
  readonly sent: CloseFrame | undefined
  readonly initiator: 'local' | 'remote'
  /** What broke the connection on our side: a violation, a timeout, an error of the socket. */
  readonly error: Error | undefined
  readonly wasTerminated: boolean
  /** ms since the last byte came; `undefined` when none ever did. */
  readonly silence: number | undefined
}

/** Say what happened. */
export function diagnose(facts: ClosingFacts): string {
  return `${cause(facts)}${lastByte(facts)}`
}

function cause({ received, sent, initiator, error, wasTerminated }: ClosingFacts): string {
  if (wasTerminated) return 'terminate() was called'
  if (error !== undefined && received === undefined) return describeError(error)
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

function describeError(error: Error): string {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ECONNRESET') return 'the peer or something between reset the TCP connection (ECONNRESET)'
  if (code === 'EPIPE') return 'the peer had dropped the TCP connection when we wrote to it (EPIPE)'
  if (code === 'ETIMEDOUT') return 'the network did not deliver what we sent (ETIMEDOUT)'
  return error.message
}

// After an ordinary close nobody asks when the last byte came.
function lastByte({ received, silence }: ClosingFacts): string {
  if (received !== undefined) return ''
  if (silence === undefined) return '; no byte ever came'
  return silence < 1000 ? '' : `; the last byte came ${Math.round(silence / 1000)} s ago`
}
