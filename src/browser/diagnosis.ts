// How a connection in a browser ended, in one sentence for a person. A browser tells programs the close frame and nothing
// else: neither what TCP or TLS reported, nor whether a frame broke the rules.

import { printable } from '../errors.ts'
import { type CloseFrame, explainCloseCode } from '../protocol/close-code.ts'

/** Hold what is known about an end. */
export interface BrowserClosingFacts {
  readonly received: CloseFrame | undefined
  readonly sent: CloseFrame | undefined
  readonly initiator: 'local' | 'remote'
  /** What made us close: a violation, a timeout. */
  readonly error: Error | undefined
  readonly wasTerminated: boolean
  /** ms since the last message came; `undefined` when none ever did. */
  readonly silence: number | undefined
  /** False when the browser knows that it has no network. */
  readonly isOnline: boolean
}

/** Say what happened. */
export function diagnoseInBrowser(facts: BrowserClosingFacts): string {
  const { received, sent, initiator, error, wasTerminated } = facts
  if (wasTerminated) return 'terminate() was called'
  if (error !== undefined) return error.message
  if (received !== undefined) {
    return initiator === 'local' && sent !== undefined
      ? `we closed with ${describeFrame(sent)} and the peer answered`
      : `the peer closed with ${describeFrame(received)}`
  }
  const end =
    sent === undefined
      ? 'the connection ended without a close frame'
      : `we closed with ${describeFrame(sent)} and the connection ended without an answer`
  const why = facts.isOnline
    ? 'browsers do not tell why: the network panel of the developer tools may'
    : 'the browser says that it is offline'
  return `${end} (${why})${lastMessage(facts.silence)}`
}

function describeFrame({ code, reason }: CloseFrame): string {
  return `${explainCloseCode(code)}${reason && ` "${printable(reason)}"`}`
}

function lastMessage(silence: number | undefined): string {
  if (silence === undefined) return '; no message ever came'
  return silence < 1000 ? '' : `; the last message came ${Math.round(silence / 1000)} s ago`
}
