// The conversations that most cases consist of.

import type { End, Outcome, Reply, Step, Variant } from '../case.ts'
import { bytesOf, join, type Peer } from '../codec.ts'

export const NOTHING: Uint8Array = new Uint8Array(0)

export function text(payload: string | Uint8Array): Reply {
  return { kind: 'text', payload: bytesOf(payload) }
}

export function binary(payload: Uint8Array): Reply {
  return { kind: 'binary', payload }
}

export function pong(payload: string | Uint8Array = NOTHING): Reply {
  return { kind: 'pong', payload: bytesOf(payload) }
}

export function optional(reply: Reply): Reply {
  return { ...reply, optional: true }
}

export function send(...frames: Uint8Array[]): Step {
  return { kind: 'send', bytes: join(frames) }
}

export function sendChopped(chop: number, ...frames: Uint8Array[]): Step {
  return { kind: 'send', bytes: join(frames), chop }
}

export function awaitReplies(replies: number): Step {
  return { kind: 'await', replies }
}

export const failureDue: Step = { kind: 'failure' }

export function clean(code = 1000): End {
  return { kind: 'clean', code }
}

export function failed(code = 1002, otherCodes: readonly number[] = []): End {
  return { kind: 'failed', code, otherCodes }
}

/** Send the steps, wait for the replies, then close with 1000: nothing else may come back. */
export function answered(
  peer: Peer,
  steps: readonly (Step | Uint8Array)[],
  replies: readonly Reply[],
  name = 'plain',
): Variant {
  return {
    name,
    steps: [...steps.map(asStep), awaitReplies(replies.length), send(peer.close(1000))],
    required: { replies, end: clean() },
  }
}

/** Send the steps: the endpoint must fail the connection, after the replies and without any more. */
export function refused(
  steps: readonly (Step | Uint8Array)[],
  end: End,
  options: { name?: string; replies?: readonly Reply[]; allowed?: readonly Outcome[] } = {},
): Variant {
  const { name = 'plain', replies = [], allowed = [] } = options
  return { name, steps: steps.map(asStep), required: { replies, end }, allowed }
}

function asStep(step: Step | Uint8Array): Step {
  return step instanceof Uint8Array ? send(step) : step
}

/** Return bytes of which no two neighbours are alike, so that lost and swapped ones show. Do not change them. */
export function pattern(size: number): Uint8Array {
  patternBytes = grown(patternBytes, size, (index) => index * 31 + (index >> 8))
  return patternBytes.subarray(0, size)
}

/** Return printable ASCII. Do not change it. */
export function letters(size: number): Uint8Array {
  letterBytes = grown(letterBytes, size, (index) => 0x21 + ((index * 7 + (index >> 9)) % 94))
  return letterBytes.subarray(0, size)
}

// A long one begins like a short one, so all of them are cut from the longest.
let patternBytes = NOTHING
let letterBytes = NOTHING

function grown(bytes: Uint8Array, size: number, byteAt: (index: number) => number): Uint8Array {
  if (bytes.length >= size) return bytes
  const longer = new Uint8Array(size)
  longer.set(bytes)
  for (let index = bytes.length; index < size; index++) longer[index] = byteAt(index)
  return longer
}

/** Read hex digits; spaces are for the eye. */
export function fromHex(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits.replaceAll(' ', ''), 'hex'))
}
