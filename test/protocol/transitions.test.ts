import { describe, expect, test } from 'vitest'
import { type ProtocolState, type ProtocolTransition, transitions } from '../../src/protocol/transitions.ts'

const STATES: readonly ProtocolState[] = ['open', 'close-sent', 'close-received', 'closed', 'failed']
const EVENTS: readonly ProtocolTransition[] = ['send-close', 'receive-close', 'fail']

describe('transitions', () => {
  test('has a row for each state and a cell for each event', () => {
    expect(Object.keys(transitions)).toEqual(STATES)
    for (const state of STATES) expect(Object.keys(transitions[state])).toEqual(EVENTS)
  })

  // RFC 6455 sections 5.5.1, 7.1.2, 7.1.4 and 7.1.7.
  test.each([
    ['open', 'send-close', 'close-sent'],
    ['open', 'receive-close', 'close-received'],
    ['open', 'fail', 'failed'],
    ['close-sent', 'send-close', undefined], // no second close frame
    ['close-sent', 'receive-close', 'closed'],
    ['close-sent', 'fail', 'failed'],
    ['close-received', 'send-close', 'closed'],
    ['close-received', 'receive-close', undefined],
    ['close-received', 'fail', 'failed'],
    ['closed', 'send-close', undefined],
    ['closed', 'receive-close', undefined],
    ['closed', 'fail', undefined],
    ['failed', 'send-close', undefined],
    ['failed', 'receive-close', undefined],
    ['failed', 'fail', undefined],
  ] as const)('%s, on %s, becomes %s', (state, event, next) => {
    expect(transitions[state][event]).toBe(next)
  })

  test('gives both ends the same way to closed, whichever begins', () => {
    const walk = (...events: ProtocolTransition[]): ProtocolState =>
      events.reduce<ProtocolState>((state, event) => transitions[state][event]!, 'open')
    expect(walk('send-close', 'receive-close')).toBe('closed')
    expect(walk('receive-close', 'send-close')).toBe('closed')
  })

  test('lets nothing leave closed and failed', () => {
    for (const state of ['closed', 'failed'] as const) {
      expect(Object.values(transitions[state])).toEqual([undefined, undefined, undefined])
    }
  })
})
