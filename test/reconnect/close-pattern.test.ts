import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NOTHING_MEASURED } from '../../src/connection/diagnosis.ts'
import type { CloseCause, CloseFacts, CloseInfo, CloseLimit } from '../../src/protocol/close-code.ts'
import { describeClosePattern, summariseEnd } from '../../src/reconnect/close-pattern.ts'

const NO_FACTS: CloseFacts = {
  ...NOTHING_MEASURED,
  limit: undefined,
  systemError: undefined,
  cause: undefined,
}

/** An end without a close frame. */
function cut(facts: Partial<CloseFacts> = {}, more: Partial<CloseInfo> = {}): CloseInfo {
  return {
    code: 1006,
    reason: '',
    received: undefined,
    sent: undefined,
    initiator: 'remote',
    clean: false,
    diagnosis: '',
    error: undefined,
    facts: { ...NO_FACTS, ...facts },
    ...more,
  }
}

function silent(silence: number): CloseInfo {
  return cut({ openFor: 10 * silence, sinceReceived: silence, sinceSent: silence + 40 })
}

/** An end with a close frame of the peer. */
function closed(code: number, initiator: CloseInfo['initiator'] = 'remote'): CloseInfo {
  return cut({}, { code, received: { code, reason: '' }, sent: { code, reason: '' }, clean: true, initiator })
}

function failed(limit: CloseLimit, cause?: CloseCause): CloseInfo {
  return cut({ limit, cause }, { code: 1011, sent: { code: 1011, reason: '' }, initiator: 'local' })
}

function times<Value>(count: number, value: Value): Value[] {
  return Array.from({ length: count }, () => value)
}

describe('describeClosePattern', () => {
  test.each<[string, CloseInfo[], string | undefined]>([
    ['nothing', [], undefined],
    ['one silence', [silent(60_000)], undefined],
    [
      'silences of one length',
      [silent(60_000), silent(60_900), silent(59_700), silent(60_100)],
      "silent for 60 s four times in a row: probably a proxy's idle limit; set pingInterval below it",
    ],
    [
      'a silence since the opening',
      times(2, cut({ openFor: 100_200 })),
      "silent for 100 s twice in a row: probably a proxy's idle limit; set pingInterval below it",
    ],
    [
      'silences of one length, and what was before them',
      [closed(1000), silent(10_000), silent(60_000), silent(60_000)],
      "silent for 60 s twice in a row: probably a proxy's idle limit; set pingInterval below it",
    ],
    ['silences of different lengths', [silent(60_000), silent(90_000)], undefined],
    ['short silences', times(2, silent(900)), undefined],
    [
      'silences of ours alone',
      times(2, cut({ openFor: 99_000, sinceReceived: 100, sinceSent: 60_000 })),
      undefined,
    ],
    ['silences before an ordinary end', [silent(60_000), silent(60_000), closed(1000)], undefined],
    [
      'more than it looks at',
      times(30, silent(60_000)),
      "silent for 60 s eight times in a row: probably a proxy's idle limit; set pingInterval below it",
    ],
    [
      'connections that live equally long',
      [300_100, 299_600, 301_000].map((openFor) => cut({ openFor, sinceReceived: 20, sinceSent: 20 })),
      "cut off after 300 s three times in a row: probably a proxy's longest time for a connection; set maxLifetime below it",
    ],
    [
      'connections that end as soon as they are open',
      times(3, cut({ openFor: 90, sinceReceived: 20 })),
      'cut off as soon as it was open three times in a row: probably the peer fails on what it is sent, or something between does not carry WebSockets',
    ],
    [
      'resets after different times',
      [3000, 50_000, 20_000].map((openFor) =>
        cut({ openFor, sinceReceived: 20, sinceSent: 20, systemError: 'ECONNRESET' }),
      ),
      'cut off without a close frame three times in a row (ECONNRESET): probably the peer crashes, or the line is bad',
    ],
    [
      'ends without a close frame, of which a browser knows no more',
      times(3, cut({}, { facts: undefined })),
      'cut off without a close frame three times in a row: probably the peer crashes, or the line is bad',
    ],
    [
      'pings that are not answered',
      times(2, failed('pingTimeout', 'network')),
      "no answer to pings twice in a row: probably the network drops packets, or the peer's event loop is blocked for longer than pingTimeout",
    ],
    [
      'a peer that does not read',
      [failed('pingTimeout', 'slow-reader'), failed('maxBufferedAmount', 'slow-reader')],
      'the peer did not read what it was sent twice in a row: await send(), or send less',
    ],
    [
      'messages above our limit',
      times(2, failed('maxMessageSize', 'limit')),
      'maxMessageSize was exceeded twice in a row: raise it if such messages are wanted',
    ],
    [
      'messages above the limit of the peer',
      times(2, closed(1009)),
      'the peer found a message too big twice in a row: send smaller ones, or raise its limit',
    ],
    [
      'a standstill of ours',
      times(2, cut({ openFor: 90_000, cause: 'standstill', sinceReceived: 60_000, sinceSent: 60_000 })),
      'this process had stood still twice in a row before the connection ended: look for what blocks its event loop, or for a computer that sleeps',
    ],
    [
      'a server that restarts',
      [closed(1012), closed(1001), closed(1012)],
      'the server stopped or restarted three times in a row',
    ],
    ['a server that restarts twice', times(2, closed(1012)), undefined],
    [
      'one code again and again',
      times(5, closed(1008)),
      'the peer closed with 1008 (policy violation) five times in a row: connecting again will hardly help',
    ],
    ['different codes', [closed(4000), closed(4001)], undefined],
    ['ends of ours', times(8, closed(1000, 'local')), undefined],
    ['ordinary ends', times(8, closed(1000)), undefined],
    ['drops of ours', times(8, cut({ openFor: 5 }, { initiator: 'local' })), undefined],
  ])('of %s', (_, infos, words) => {
    expect(describeClosePattern(infos)).toBe(words)
  })

  test('never throws, says the same each time, and leaves its argument as it is', () => {
    const time = fc.option(fc.integer({ min: 0, max: 400_000 }), { nil: undefined })
    const code = fc.constantFrom(1000, 1001, 1006, 1008, 1009, 1011, 1012, 1013, 4000, 99_999)
    const frame = fc.option(fc.record({ code, reason: fc.string() }), { nil: undefined })
    const facts = fc.option(
      fc.record({
        openFor: time,
        sinceReceived: time,
        sinceSent: time,
        limit: fc.constantFrom<(CloseLimit | undefined)[]>(
          'pingTimeout',
          'maxFragments',
          'maxLifetime',
          undefined,
        ),
        systemError: fc.constantFrom('ECONNRESET', undefined),
        cause: fc.constantFrom<(CloseCause | undefined)[]>(
          'standstill',
          'slow-reader',
          'idle-limit',
          undefined,
        ),
      }),
      { nil: undefined },
    )
    const info = fc.record({
      code,
      received: frame,
      sent: frame,
      initiator: fc.constantFrom('local' as const, 'remote' as const),
      facts,
    })
    fc.assert(
      fc.property(fc.array(info, { maxLength: 12 }), (some) => {
        const infos = some.map(({ facts, ...rest }) =>
          cut({}, { ...rest, facts: facts === undefined ? undefined : { ...NO_FACTS, ...facts } }),
        )
        const before = structuredClone(infos)
        const words = describeClosePattern(infos)
        expect(describeClosePattern(infos)).toBe(words)
        expect(infos).toEqual(before)
        // A summary of each end is enough.
        expect(describeClosePattern(infos.map(summariseEnd))).toBe(words)
        expect(words ?? '').not.toMatch(/undefined|NaN/)
        // What is older than eight makes no difference.
        expect(describeClosePattern([cut(), ...infos.slice(-8)].slice(-8))).toBe(
          describeClosePattern(infos.length < 8 ? [cut(), ...infos] : infos),
        )
      }),
    )
  })
})
