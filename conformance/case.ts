// What a case is: what to send to an endpoint that echoes messages, and what must come back. Cases are data;
// they know neither the library nor how bytes travel.

import type { Peer } from './codec.ts'

export type Role = 'client' | 'server'

/** Name what an endpoint sends back, apart from its close frame. */
export interface Reply {
  readonly kind: 'text' | 'binary' | 'pong'
  readonly payload: Uint8Array
  /** RFC 6455 lets an endpoint leave it out. */
  readonly optional?: boolean
}

export type Step =
  /** Send bytes, in chunks of `chop` bytes where that is the point of the case. */
  | { readonly kind: 'send'; readonly bytes: Uint8Array; readonly chop?: number }
  /** Go on when this many replies have come in all. */
  | { readonly kind: 'await'; readonly replies: number }
  /**
   * The endpoint must have failed the connection by now, and not before the step before this one. What follows
   * is sent only to those that have not.
   */
  | { readonly kind: 'failure' }

export type End =
  /** The closing handshake was completed; an empty close frame is code 1005. */
  | { readonly kind: 'clean'; readonly code: number }
  /** The endpoint failed the connection (RFC 6455 section 7.1.7) with this code. */
  | { readonly kind: 'failed'; readonly code: number; readonly otherCodes?: readonly number[] }
  /** Nothing happened: the endpoint waits for more. */
  | { readonly kind: 'silent' }

export interface Outcome {
  readonly replies: readonly Reply[]
  readonly end: End
}

/** One conversation on one connection. */
export interface Variant {
  readonly name: string
  readonly steps: readonly Step[]
  /** What is required of this library. */
  readonly required: Outcome
  /** What RFC 6455 permits as well. */
  readonly allowed?: readonly Outcome[]
}

export interface Case {
  /** Group, then numbers: `6.4.1`. */
  readonly id: string
  readonly title: string
  /** The section of RFC 6455 to judge by. */
  readonly section: string
  /** The roles in which an endpoint can be tested by it. */
  readonly roles: readonly Role[]
  /** Make the conversations, as the peer of the endpoint under test. */
  variants(peer: Peer): Variant[]
}

export const BOTH: readonly Role[] = ['server', 'client']

export function opposite(role: Role): Role {
  return role === 'server' ? 'client' : 'server'
}

export function groupOf(id: string): string {
  return id.slice(0, id.indexOf('.'))
}

export function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}
