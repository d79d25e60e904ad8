// Compares what an endpoint did with what a case asks for.

import { type End, type Outcome, type Reply, type Role, sameBytes, type Variant } from './case.ts'
import { isLegalCode } from './codec.ts'

/** `allowed` is what RFC 6455 leaves free but this library does not use. */
export type Verdict = 'ok' | 'allowed' | 'deviation'

export interface Observation {
  readonly replies: readonly Reply[]
  /** The endpoint's close frame. */
  readonly close: { readonly code: number; readonly reason: Uint8Array } | undefined
  /** The endpoint has ended the TCP connection, or would if there were one. */
  readonly ended: boolean
  /** When the end came, as seen from the variant's `failure` step; `undefined` when that could not be seen. */
  readonly endCame: 'too early' | 'in time' | 'late' | undefined
  /** What the endpoint says of itself, where it can be asked. */
  readonly saysFailed?: boolean
  /** Rules that the endpoint's own frames break. */
  readonly faults: readonly string[]
}

export interface Judgement {
  readonly verdict: Verdict
  /** What was not as required; empty for `ok`. */
  readonly remarks: readonly string[]
}

const OK: Judgement = { verdict: 'ok', remarks: [] }

export function judge(variant: Variant, observation: Observation, role: Role): Judgement {
  if (observation.faults.length > 0) return { verdict: 'deviation', remarks: observation.faults }
  const judgement = compare(variant.required, observation, role)
  if (judgement.verdict !== 'deviation') return judgement
  for (const outcome of variant.allowed ?? []) {
    if (compare(outcome, observation, role).verdict !== 'deviation') {
      return { verdict: 'allowed', remarks: judgement.remarks }
    }
  }
  return judgement
}

function compare(outcome: Outcome, observation: Observation, role: Role): Judgement {
  // Pongs and messages may overtake each other: an application takes its time to answer a message.
  const isPong = (reply: Reply) => reply.kind === 'pong'
  const isMessage = (reply: Reply) => reply.kind !== 'pong'
  return worst([
    compareReplies(outcome.replies.filter(isMessage), observation.replies.filter(isMessage)),
    compareReplies(outcome.replies.filter(isPong), observation.replies.filter(isPong)),
    compareEnd(outcome.end, observation, role),
  ])
}

export function worst(judgements: readonly Judgement[]): Judgement {
  const order: readonly Verdict[] = ['deviation', 'allowed']
  for (const verdict of order) {
    const found = judgements.filter((judgement) => judgement.verdict === verdict)
    if (found.length > 0) return { verdict, remarks: found.flatMap((judgement) => judgement.remarks) }
  }
  return OK
}

function compareReplies(expected: readonly Reply[], actual: readonly Reply[]): Judgement {
  const missing: Reply[] = []
  let next = 0
  for (const reply of expected) {
    const candidate = actual[next]
    if (
      candidate !== undefined &&
      candidate.kind === reply.kind &&
      sameBytes(candidate.payload, reply.payload)
    ) {
      next++
    } else {
      missing.push(reply)
    }
  }
  if (next < actual.length) return deviation(`unexpected ${describe(actual[next]!)}`)
  const first = missing.find((reply) => reply.optional !== true)
  if (first !== undefined) return deviation(`missing ${describe(first)}`)
  return missing.length === 0 ? OK : allowed(`missing ${missing.map(describe).join(', ')}`)
}

function compareEnd(end: End, observation: Observation, role: Role): Judgement {
  const claim = observation.saysFailed
  if (claim !== undefined && claim !== (end.kind === 'failed')) {
    return deviation(`the endpoint says that it ${claim ? 'failed' : 'did not fail'} the connection`)
  }
  if (end.kind === 'clean') return compareClean(end.code, observation, role)
  if (end.kind === 'failed') return compareFailed(end, observation)
  const { close, ended } = observation
  return close === undefined && !ended ? OK : deviation(`expected silence, found ${endOf(observation)}`)
}

function compareClean(code: number, observation: Observation, role: Role): Judgement {
  const { close, ended } = observation
  const expected = `expected a close frame with code ${code}, found ${endOf(observation)}`
  if (close === undefined) return deviation(expected)
  // RFC 6455 section 7.1.1: the TCP connection "SHOULD be closed first by the server". A client may wait for that.
  const judgements = ended || role === 'client' ? [] : [allowed('the server did not end the TCP connection')]
  // Section 5.5.1: "the endpoint typically echos the status code it received".
  const legal = close.code === 1005 || isLegalCode(close.code)
  if (close.code !== code) judgements.push(legal ? allowed(expected) : deviation(expected))
  return worst(judgements)
}

function compareFailed(end: End & { kind: 'failed' }, observation: Observation): Judgement {
  const { close, ended, endCame } = observation
  const expected = `expected a failure with code ${end.code}, found ${endOf(observation)}`
  if (!ended) return deviation(close === undefined ? expected : `${expected} and TCP left open`)
  const judgements: Judgement[] = []
  // RFC 6455 section 7.1.7: "the endpoint SHOULD send a Close frame with an appropriate status code".
  if (close === undefined || end.otherCodes?.includes(close.code)) judgements.push(allowed(expected))
  else if (close.code !== end.code) judgements.push(deviation(expected))
  if (endCame === 'too early') judgements.push(deviation('failed before there was anything wrong'))
  if (endCame === 'late') judgements.push(allowed('failed later than possible'))
  return worst(judgements)
}

function endOf({ close, ended }: Observation): string {
  if (close !== undefined) return `code ${close.code}`
  return ended ? 'the end of TCP without a close frame' : 'an open connection'
}

function deviation(remark: string): Judgement {
  return { verdict: 'deviation', remarks: [remark] }
}

function allowed(remark: string): Judgement {
  return { verdict: 'allowed', remarks: [remark] }
}

function describe(reply: Reply): string {
  return `${reply.kind} ${hex(reply.payload, 24)}`
}

/** Write bytes as hex, the first `limit` of them. */
export function hex(bytes: Uint8Array, limit = 160): string {
  const digits = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, limit)).toString('hex')
  if (bytes.length === 0) return '(empty)'
  return bytes.length > limit ? `${digits}… (${bytes.length} bytes)` : digits
}
