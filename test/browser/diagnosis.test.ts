import { expect, test } from 'vitest'
import { type BrowserClosingFacts, diagnoseInBrowser } from '../../src/browser/diagnosis.ts'

const NOTHING: BrowserClosingFacts = {
  received: undefined,
  sent: undefined,
  initiator: 'remote',
  error: undefined,
  wasTerminated: false,
  silence: 10,
  isOnline: true,
}
const BYE = { code: 1000, reason: 'bye' }
const WHY = 'browsers do not tell why: the network panel of the developer tools may'

test.each<[string, Partial<BrowserClosingFacts>]>([
  ['the peer closed with 1000 (normal closure) "bye"', { received: BYE, sent: { code: 1000, reason: '' } }],
  ['the peer closed with 1000 (normal closure) "bye"', { received: BYE }],
  [
    'we closed with 4000 (private use) and the peer answered',
    { received: { code: 4000, reason: '' }, sent: { code: 4000, reason: '' }, initiator: 'local' },
  ],
  [`the connection ended without a close frame (${WHY})`, {}],
  [`the connection ended without a close frame (${WHY}); no message ever came`, { silence: undefined }],
  [
    `the connection ended without a close frame (${WHY}); the last message came 60 s ago`,
    { silence: 60_000 },
  ],
  ['the connection ended without a close frame (the browser says that it is offline)', { isOnline: false }],
  [
    `we closed with 1000 (normal closure) "bye" and the connection ended without an answer (${WHY})`,
    { sent: BYE, initiator: 'local' },
  ],
  ['terminate() was called', { wasTerminated: true, sent: BYE }],
  ['too large', { error: new Error('too large'), received: BYE }],
])('%s', (text, facts) => {
  expect(diagnoseInBrowser({ ...NOTHING, ...facts })).toBe(text)
})

test('shows nothing of a reason that could steer a terminal', () => {
  expect(diagnoseInBrowser({ ...NOTHING, received: { code: 1000, reason: 'a\u001b[2Jb' } })).not.toContain(
    '\u001b',
  )
})
