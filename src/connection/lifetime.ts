// The longest life of a connection. What was opened together shall not end together: a thousand clients that all come
// back in one second are a load of their own.

import { CloseCode, type CloseFrame } from '../protocol/close-code.ts'

/** What the close frame says when `maxLifetime` is over. */
export const LIFETIME_OVER: CloseFrame = { code: CloseCode.GoingAway, reason: 'lifetime over' }

// The longest life is a promise, so that it is only ever cut.
const SPREAD = 0.1

/** Choose how long one connection lives, in ms: between 90 % and all of `maxLifetime`. */
export function spreadLifetime(maxLifetime: number, random: () => number = Math.random): number {
  return maxLifetime * (1 - SPREAD * random())
}

/** Tell whether a close frame says that the lifetime is over. */
export function saysLifetimeOver(frame: CloseFrame | undefined): boolean {
  return frame?.code === LIFETIME_OVER.code && frame.reason === LIFETIME_OVER.reason
}
