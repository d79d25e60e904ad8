import { describe, expect, test } from 'vitest'
import { type ClosingFacts, diagnose } from '../../src/connection/diagnosis.ts'

function facts(some: Partial<ClosingFacts>): ClosingFacts {
  return {
    received: undefined,
    sent: undefined,
    initiator: 'remote',
    error: undefined,
    wasTerminated: false,
    silence: 10,
    ...some,
  }
}

function systemError(code: string): Error {
  return Object.assign(new Error(`read ${code}`), { code })
}

const normal = { code: 1000, reason: '' }
const bye = { code: 4000, reason: 'bye' }

describe('diagnose', () => {
  test.each<[string, Partial<ClosingFacts>, string]>([
    [
      'a close that we began',
      { sent: normal, received: normal, initiator: 'local' },
      'we closed with 1000 (normal closure) and the peer answered',
    ],
    [
      'a close that the peer began, with its reason',
      { sent: bye, received: bye },
      'the peer closed with 4000 (private use) "bye" and we answered',
    ],
    [
      'a close frame that we could not answer',
      { received: { code: 1005, reason: '' } },
      'the peer closed with 1005 (no close code)',
    ],
    [
      'a close frame that the peer did not answer',
      { sent: normal, initiator: 'local' },
      'we closed with 1000 (normal closure) and the peer ended the TCP connection without an answer',
    ],
    ['an end without close frames', {}, 'the peer ended the TCP connection without a close frame'],
    ['a drop of ours', { wasTerminated: true, initiator: 'local' }, 'terminate() was called'],
    ['what broke it', { error: new Error('it broke'), sent: bye }, 'it broke'],
    [
      'an answered close before what broke afterwards',
      { error: new Error('it broke'), sent: normal, received: normal, initiator: 'local' },
      'we closed with 1000 (normal closure) and the peer answered',
    ],
    [
      'a reset',
      { error: systemError('ECONNRESET') },
      'the peer or something between reset the TCP connection (ECONNRESET)',
    ],
    [
      'a write to nobody',
      { error: systemError('EPIPE') },
      'the peer had dropped the TCP connection when we wrote to it (EPIPE)',
    ],
    [
      'a network that is gone',
      { error: systemError('ETIMEDOUT') },
      'the network did not deliver what we sent (ETIMEDOUT)',
    ],
    ['another error of the system', { error: systemError('EHOSTDOWN') }, 'read EHOSTDOWN'],
    [
      'a silence that was long',
      { error: new Error('no pong within 20 s'), silence: 41_400 },
      'no pong within 20 s; the last byte came 41 s ago',
    ],
    ['no silence that was short', { error: new Error('no pong'), silence: 999 }, 'no pong'],
    [
      'that nothing ever came',
      { silence: undefined },
      'the peer ended the TCP connection without a close frame; no byte ever came',
    ],
    [
      'no silence after an ordinary close',
      { received: normal, sent: normal, silence: 90_000 },
      'the peer closed with 1000 (normal closure) and we answered',
    ],
  ])('tells of %s', (_, some, words) => {
    expect(diagnose(facts(some))).toBe(words)
  })
})
