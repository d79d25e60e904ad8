import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  describeDuration,
  type Ending,
  explainClose,
  type MeasuredFacts,
  NOTHING_MEASURED,
} from '../../src/connection/diagnosis.ts'
import { ProtocolError, type ProtocolErrorCode, WebSocketTimeoutError } from '../../src/errors.ts'
import type { CloseFacts } from '../../src/protocol/close-code.ts'

interface Some extends Partial<Omit<Ending, 'measured'>>, Partial<MeasuredFacts> {}

function ending(some: Some): Ending {
  const { role, received, sent, initiator, error, wasTerminated, isLifetimeOver, ...measured } = some
  return {
    role: role ?? 'client',
    received,
    sent,
    initiator: initiator ?? 'remote',
    error,
    wasTerminated: wasTerminated ?? false,
    isLifetimeOver: isLifetimeOver ?? false,
    measured: {
      ...NOTHING_MEASURED,
      openFor: 100_000,
      sinceReceived: 10,
      sinceSent: 10,
      unsent: 0,
      ...measured,
    },
  }
}

function systemError(code: string): Error {
  return Object.assign(new Error(`read ${code}`), { code })
}

const normal = { code: 1000, reason: '' }
const bye = { code: 4000, reason: 'bye' }
const KILLED = "Probably the server's process was killed or crashed, or a proxy between was restarted"
const DROPS = 'Probably the network drops packets, or the peer hangs'
const GONE = "Probably the network drops packets, or the peer's machine is gone"
const NO_FRAME = 'the peer ended the TCP connection without a close frame'
const RESET = 'the peer or something between reset the TCP connection (ECONNRESET)'

describe('explainClose', () => {
  test.each<[string, Some, string, Partial<CloseFacts>]>([
    [
      'a close that we began',
      { sent: normal, received: normal, initiator: 'local' },
      'we closed with 1000 (normal closure) and the peer answered',
      { cause: undefined },
    ],
    [
      'a close that the peer began, with its reason',
      { sent: bye, received: bye },
      'the peer closed with 4000 (private use) "bye" and we answered',
      { cause: undefined },
    ],
    [
      'a close frame that we could not answer',
      { received: { code: 1005, reason: '' } },
      'the peer closed with 1005 (no close code)',
      {},
    ],
    [
      'a close frame that the peer did not answer',
      { sent: normal, initiator: 'local' },
      'we closed with 1000 (normal closure) and the peer ended the TCP connection without an answer',
      { cause: undefined },
    ],
    ['a server that was killed', {}, `${NO_FRAME}. ${KILLED}`, { cause: 'peer-gone' }],
    [
      'a client that was killed',
      { role: 'server' },
      `${NO_FRAME}. Probably the client's program ended without closing`,
      { cause: 'peer-gone' },
    ],
    [
      'a drop of ours',
      { wasTerminated: true, initiator: 'local' },
      'terminate() was called',
      { cause: undefined },
    ],
    [
      'a drop of ours while much was waiting',
      { wasTerminated: true, initiator: 'local', unsent: 3_250_586 },
      'terminate() was called; 3.1 MiB were still unsent',
      { unsent: 3_250_586 },
    ],
    ['what broke it', { error: new Error('it broke'), sent: bye }, 'it broke', { cause: undefined }],
    [
      'an answered close before what broke afterwards',
      { error: new Error('it broke'), sent: normal, received: normal, initiator: 'local' },
      'we closed with 1000 (normal closure) and the peer answered',
      {},
    ],
    [
      'a reset',
      { error: systemError('ECONNRESET'), sinceReceived: 4000 },
      `${RESET}; the last byte came 4 s ago. ${KILLED}`,
      { cause: 'peer-gone', systemError: 'ECONNRESET' },
    ],
    [
      'a reset in the answer to an unanswered ping',
      { error: systemError('ECONNRESET'), sinceReceived: 14_000, sinceSent: 4000, sincePing: 4000 },
      `${RESET}; the last byte came 14 s ago, our ping of 4 s ago was not answered. ${KILLED}`,
      {},
    ],
    [
      'a reset after an answered ping',
      { error: systemError('ECONNRESET'), sincePing: 4000, sincePong: 3990 },
      `${RESET}. ${KILLED}`,
      {},
    ],
    [
      'a reset that takes along what was waiting',
      { error: systemError('ECONNRESET'), unsent: 1024 },
      `${RESET}; 1.0 KiB were still unsent. ${KILLED}`,
      { unsent: 1024 },
    ],
    [
      'a write to nobody',
      { error: systemError('EPIPE') },
      `the peer had dropped the TCP connection when we wrote to it (EPIPE). ${KILLED}`,
      { systemError: 'EPIPE' },
    ],
    [
      'a network that is gone',
      { error: systemError('ETIMEDOUT') },
      `the network did not deliver what we sent (ETIMEDOUT). ${GONE}`,
      { cause: 'network', systemError: 'ETIMEDOUT' },
    ],
    [
      'a machine that cannot be reached',
      { error: systemError('EHOSTUNREACH') },
      `there is no way to the peer's machine (EHOSTUNREACH). ${GONE}`,
      { cause: 'network' },
    ],
    [
      'an error of the system that has no words',
      { error: systemError('EXDEV') },
      'read EXDEV',
      { cause: undefined },
    ],
    [
      'an alert of TLS',
      { error: systemError('ERR_SSL_TLSV1_ALERT_UNKNOWN_CA') },
      'the peer ended TLS: it does not know the authority of our certificate (ERR_SSL_TLSV1_ALERT_UNKNOWN_CA)',
      { cause: 'tls', systemError: 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA' },
    ],
    [
      'a peer that does not answer pings',
      {
        error: new WebSocketTimeoutError('ping', 20_000),
        sent: bye,
        sinceReceived: 41_400,
        sincePing: 20_000,
      },
      `no pong and no other byte came within pingTimeout (20000 ms); the last byte came 41 s ago. ${DROPS}`,
      { cause: 'network', limit: 'pingTimeout' },
    ],
    [
      'a peer that has stopped reading',
      {
        error: new WebSocketTimeoutError('ping', 20_000),
        sent: bye,
        sinceReceived: 41_400,
        unsent: 20 * 1024 * 1024,
      },
      'no pong and no other byte came within pingTimeout (20000 ms); the last byte came 41 s ago, 20 MiB were still unsent. Probably the peer does not read, or hangs',
      { cause: 'slow-reader', limit: 'pingTimeout' },
    ],
    [
      'a machine that slept',
      { error: new WebSocketTimeoutError('ping', 20_000), sent: bye, stoodStill: 3 * 3_600_000 },
      'no pong and no other byte came within pingTimeout (20000 ms). Probably because this process had stood still for 180 min: a computer that slept, or a blocked event loop',
      { cause: 'standstill' },
    ],
    [
      'no short standstill',
      { stoodStill: 1200 },
      `${NO_FRAME}. ${KILLED}`,
      { cause: 'peer-gone', stoodStill: 1200 },
    ],
    [
      'a close that took too long',
      { error: new WebSocketTimeoutError('close', 10_000), sent: normal, initiator: 'local' },
      `the closing handshake was not done within closeTimeout (10000 ms). ${DROPS}`,
      { cause: 'network', limit: 'closeTimeout' },
    ],
    [
      'a close behind data that was not taken',
      {
        error: new WebSocketTimeoutError('close', 10_000),
        sent: normal,
        initiator: 'local',
        unsent: 150_000,
      },
      'the closing handshake was not done within closeTimeout (10000 ms); 146 KiB were still unsent. Probably the peer does not read, or reads slowly',
      { cause: 'slow-reader' },
    ],
    [
      'an end in the middle of our silence',
      { sinceReceived: 60_300, sinceSent: 60_400 },
      `${NO_FRAME}; no byte came or went for 60 s. Probably a proxy's idle limit of 60 s: set pingInterval below it`,
      { cause: 'idle-limit' },
    ],
    [
      'a silence since the connection was opened',
      { openFor: 301_000, sinceReceived: undefined, sinceSent: undefined },
      `${NO_FRAME}; no byte ever came. Probably a proxy's idle limit of 300 s: set pingInterval below it`,
      { cause: 'idle-limit' },
    ],
    [
      'no idle limit when we were sending',
      { sinceReceived: 60_300, sinceSent: 300 },
      `${NO_FRAME}; the last byte came 60 s ago. ${KILLED}`,
      { cause: 'peer-gone' },
    ],
    [
      'no idle limit after a silence that no proxy is set to',
      { sinceReceived: 69_000, sinceSent: 69_100 },
      `${NO_FRAME}; no byte came or went for 69 s. ${KILLED}`,
      { cause: 'peer-gone' },
    ],
    [
      'that we did not read',
      { wasReadingPaused: true, sinceReceived: 60_000, sinceSent: 60_000 },
      `${NO_FRAME}; no byte came or went for 60 s. Probably the peer gave up because we had stopped reading`,
      { cause: 'paused' },
    ],
    [
      'a peer that did not hear of us while we did not read',
      {
        received: { code: 1011, reason: 'keepalive ping timeout' },
        sent: { code: 1011, reason: '' },
        wasReadingPaused: true,
      },
      'the peer closed with 1011 (internal error) "keepalive ping timeout" and we answered. Probably the peer gave up because we had stopped reading',
      { cause: 'paused' },
    ],
    [
      'a peer that did not hear of us',
      { received: { code: 1011, reason: 'heartbeat timeout' }, sent: { code: 1011, reason: '' } },
      'the peer closed with 1011 (internal error) "heartbeat timeout" and we answered. Probably the network did not deliver our pongs',
      { cause: 'network' },
    ],
    [
      'an error of the peer',
      { received: { code: 1011, reason: 'shipping failed' }, sent: { code: 1011, reason: '' } },
      'the peer closed with 1011 (internal error) "shipping failed" and we answered',
      { cause: undefined },
    ],
    [
      'a service that restarts',
      { received: { code: 1012, reason: '' }, sent: { code: 1012, reason: '' } },
      'the peer closed with 1012 (service restart) and we answered. The service restarts: connect again after a while',
      { cause: 'restart' },
    ],
    [
      'a server that goes away',
      { received: { code: 1001, reason: '' }, sent: { code: 1001, reason: '' } },
      'the peer closed with 1001 (going away) and we answered. Probably the server stops or restarts: connect again',
      { cause: 'restart' },
    ],
    [
      'a page that was left',
      { role: 'server', received: { code: 1001, reason: '' }, sent: { code: 1001, reason: '' } },
      'the peer closed with 1001 (going away) and we answered',
      { cause: undefined },
    ],
    [
      'a service that is overloaded',
      { received: { code: 1013, reason: '' }, sent: { code: 1013, reason: '' } },
      'the peer closed with 1013 (try again later) and we answered. The service has too much to do: connect again later, or elsewhere',
      { cause: 'overload' },
    ],
    [
      'a message of ours that was too big',
      { received: { code: 1009, reason: '' }, sent: { code: 1009, reason: '' } },
      'the peer closed with 1009 (message too big) and we answered. A message of ours was larger than the peer takes',
      { cause: 'limit' },
    ],
    [
      'a lifetime that is over',
      {
        sent: { code: 1001, reason: 'lifetime over' },
        received: { code: 1001, reason: '' },
        initiator: 'local',
        isLifetimeOver: true,
      },
      'we closed with 1001 (going away) "lifetime over" and the peer answered',
      { cause: 'lifetime', limit: 'maxLifetime' },
    ],
    [
      'that nothing ever came, when it is known',
      { openFor: 12_000, sinceReceived: undefined },
      `${NO_FRAME}; no byte ever came. ${KILLED}`,
      {},
    ],
    [
      'no silence after an ordinary close',
      { received: normal, sent: normal, sinceReceived: 90_000, sinceSent: 90_000, unsent: 5 },
      'the peer closed with 1000 (normal closure) and we answered',
      {},
    ],
  ])('tells of %s', (_, some, words, facts) => {
    const explained = explainClose(ending(some))
    expect(explained.diagnosis).toBe(words)
    expect(explained.facts).toMatchObject(facts)
  })

  test.each<[ProtocolErrorCode, CloseFacts['limit'], CloseFacts['cause']]>([
    ['WS_MESSAGE_TOO_BIG', 'maxMessageSize', 'limit'],
    ['WS_TOO_MANY_FRAGMENTS', 'maxFragments', 'limit'],
    ['WS_MESSAGE_TIMEOUT', 'messageTimeout', 'limit'],
    ['WS_SLOW_CONSUMER', 'maxBufferedAmount', 'slow-reader'],
    ['WS_BAD_UTF8', undefined, undefined],
  ])('names the limit behind %s', (code, limit, cause) => {
    const { facts, diagnosis } = explainClose(ending({ error: new ProtocolError(code), sent: bye }))
    expect(facts).toMatchObject({ limit, cause })
    if (cause === 'limit') expect(diagnosis).toContain(`Raise ${limit}`)
  })

  test('guesses from what a browser knows', () => {
    const told = explainClose({ ...ending({}), measured: NOTHING_MEASURED })
    expect(told.diagnosis).toBe(`${NO_FRAME}. ${KILLED}`)
    expect(told.facts).toMatchObject({ openFor: undefined, cause: 'peer-gone' })
  })

  test('never throws, says the same each time, and is short and printable', () => {
    // Invariant: whatever the facts are, the diagnosis is at most two sentences without control characters.
    const time = fc.option(fc.integer({ min: 0, max: 1e10 }), { nil: undefined })
    const frame = fc.option(
      fc.record({
        code: fc.integer({ min: 1000, max: 4999 }),
        reason: fc.string({ unit: 'binary', maxLength: 30 }),
      }),
      { nil: undefined },
    )
    const error = fc.option(
      fc.oneof(
        fc.string({ unit: 'binary' }).map((message) => new Error(message)),
        fc.constantFrom('ECONNRESET', 'EPIPE', 'ENETDOWN', 'ERR_SSL_BAD', 'toString', '').map(systemError),
        fc
          .constantFrom('ping' as const, 'close' as const)
          .map((phase) => new WebSocketTimeoutError(phase, 5)),
        fc.constant(new ProtocolError('WS_SLOW_CONSUMER', '5 bytes')),
      ),
      { nil: undefined },
    )
    fc.assert(
      fc.property(
        fc.record({
          role: fc.constantFrom('client' as const, 'server' as const),
          initiator: fc.constantFrom('local' as const, 'remote' as const),
          received: frame,
          sent: frame,
          error,
          wasTerminated: fc.boolean(),
          isLifetimeOver: fc.boolean(),
          measured: fc.record({
            openFor: time,
            sinceReceived: time,
            sinceSent: time,
            sincePing: time,
            sincePong: time,
            sincePeerPing: time,
            latency: time,
            smoothedLatency: time,
            unsent: time,
            wasReadingPaused: fc.boolean(),
            stoodStill: time,
          }),
        }),
        (facts) => {
          const { diagnosis } = explainClose(facts)
          expect(explainClose(facts).diagnosis).toBe(diagnosis)
          // biome-ignore lint/suspicious/noControlCharactersInRegex: those must be gone.
          expect(diagnosis).not.toMatch(/[\u0000-\u001f\u007f-\u009f]|undefined|NaN/)
          expect(diagnosis.length).toBeGreaterThan(0)
          expect(diagnosis.length).toBeLessThan(520)
        },
      ),
    )
  })
})

describe('describeDuration', () => {
  test.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [1000, '1 s'],
    [350_000, '350 s'],
    [600_000, '600 s'],
    [601_000, '10 min'],
    [3 * 3_600_000, '180 min'],
    [4 * 3_600_000, '4 h'],
    [72 * 3_600_000, '72 h'],
    [100 * 3_600_000, '4 days'],
  ])('puts %d ms into words', (ms, words) => {
    expect(describeDuration(ms)).toBe(words)
  })
})
