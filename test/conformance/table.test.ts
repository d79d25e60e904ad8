// The table against endpoints that are known: one that is right and shares nothing with the library must pass,
// and one with a flaw must not.

import { describe, expect, test } from 'vitest'
import { groupOf } from '../../conformance/case.ts'
import { allCases, GROUPS } from '../../conformance/cases/all.ts'
import { SEQUENCES } from '../../conformance/cases/utf8.ts'
import { Peer } from '../../conformance/codec.ts'
import { runAllInMemory } from '../../conformance/in-memory.ts'
import { describe as describeResult } from '../../conformance/results.ts'
import { firstInvalidByte } from '../../conformance/utf8.ts'
import { type Flaw, naiveEndpoint } from './naive-endpoint.ts'

// The naive endpoint starts over with each byte, so it gets no conversation of more than a few thousand.
const tiny = allCases.filter((testCase) =>
  testCase.variants(new Peer('client')).every(({ steps }) => {
    const sizes = steps.map((step) => (step.kind === 'send' ? step.bytes.length : 0))
    return sizes.reduce((sum, size) => sum + size, 0) <= 4000
  }),
)

// Of each list of byte sequences the first two, and as a server only: every flaw shows there already.
const few = tiny
  .filter(({ id }) => groupOf(id) !== '6' || Number(id.split('.')[2]) <= 2)
  .map((testCase) => (groupOf(testCase.id) === '6' ? { ...testCase, roles: ['server' as const] } : testCase))

interface Flawed {
  readonly flaw: Flaw
  /** Flaws without which it cannot show. */
  readonly with?: readonly Flaw[]
  /** The groups that must notice it. */
  readonly groups: readonly string[]
  /** RFC 6455 permits it; the table must show it all the same. */
  readonly lenient?: boolean
}

describe('the table itself', () => {
  test('has no case twice, and knows each group', () => {
    const ids = allCases.map(({ id }) => id)
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([])
    expect(new Set(ids.map(groupOf))).toEqual(new Set(Object.keys(GROUPS)))
  })

  test('agrees with TextDecoder on what is UTF-8', () => {
    const decoder = new TextDecoder('utf-8', { fatal: true })
    for (const { valid, sequences } of SEQUENCES) {
      for (const digits of sequences) {
        const bytes = Uint8Array.from(Buffer.from(digits.replaceAll(' ', ''), 'hex'))
        expect([digits, firstInvalidByte(bytes) === undefined]).toEqual([digits, valid])
        if (valid) decoder.decode(bytes)
        else expect(() => decoder.decode(bytes), digits).toThrow()
      }
    }
  })

  test('is passed by an endpoint of another make', () => {
    const results = runAllInMemory(tiny, naiveEndpoint())
    const wrong = results.filter(({ verdict }) => verdict !== 'ok')
    expect(wrong.map(describeResult).join('\n')).toBe('')
  })

  const flaws: readonly Flawed[] = [
    { flaw: 'accepts reserved bits', groups: ['3'] },
    { flaw: 'accepts the first reserved bit', groups: ['3'] },
    { flaw: 'accepts reserved opcodes', groups: ['4'] },
    { flaw: 'accepts wrong masking', groups: ['11'] },
    { flaw: 'accepts long control frames', groups: ['2', '7'] },
    { flaw: 'accepts fragmented control frames', groups: ['5'] },
    { flaw: 'accepts lengths that are not minimal', groups: ['12'], lenient: true },
    {
      flaw: 'reads the low 32 bits of a length',
      with: ['accepts lengths that are not minimal'],
      groups: ['12'],
    },
    { flaw: 'takes the length 126 for a length', groups: ['6'] },
    {
      flaw: 'ignores the most significant bit of a length',
      with: ['accepts lengths that are not minimal'],
      groups: ['12'],
    },
    { flaw: 'accepts a continuation of nothing', groups: ['5'] },
    { flaw: 'accepts a message inside another one', groups: ['5'] },
    { flaw: 'forgets fragments when a control frame comes', groups: ['5'] },
    { flaw: 'sends fragments as messages', groups: ['5', '6'] },
    { flaw: 'never answers pings', groups: ['2', '5'] },
    { flaw: 'answers pings without their payload', groups: ['2', '5'] },
    { flaw: 'answers pings late', groups: ['5'] },
    { flaw: 'answers pongs', groups: ['2'] },
    { flaw: 'does not validate UTF-8', groups: ['6'] },
    { flaw: 'validates UTF-8 at the end of the message', groups: ['6'], lenient: true },
    { flaw: 'validates UTF-8 frame by frame', groups: ['6'] },
    { flaw: 'accepts surrogates', groups: ['6'] },
    { flaw: 'accepts overlong encodings', groups: ['6'] },
    { flaw: 'refuses noncharacters', groups: ['6'] },
    { flaw: 'strips byte order marks', groups: ['6'] },
    { flaw: 'validates binary', groups: ['6'] },
    { flaw: 'does not validate close reasons', groups: ['7'] },
    { flaw: 'accepts every close code', groups: ['7'] },
    { flaw: 'refuses registered close codes', groups: ['7'] },
    { flaw: 'accepts a close payload of 1 byte', groups: ['7'] },
    { flaw: 'reads on after a close frame', groups: ['7'] },
    { flaw: 'never answers a close frame', groups: ['7'] },
    { flaw: 'reads on after a failure', groups: ['3', '4', '5'] },
    { flaw: 'fails with code 1002 for bad text', groups: ['6'] },
    { flaw: 'masks wrongly', groups: ['5', '6'] },
    { flaw: 'uses one masking key', groups: ['5'] },
    { flaw: 'sends lengths that are not minimal', groups: ['5', '6'] },
    { flaw: 'echoes text as binary', groups: ['5', '6'] },
    { flaw: 'loses empty messages', groups: ['6'] },
  ]

  test.each(flaws)(
    'catches an endpoint that $flaw',
    ({ flaw, with: others = [], groups, lenient = false }) => {
      const cases = few.filter(({ id }) => groups.includes(groupOf(id)))
      const results = runAllInMemory(cases, naiveEndpoint(flaw, ...others))
      for (const group of groups) {
        const found = results.filter(({ id }) => groupOf(id) === group).map(({ verdict }) => verdict)
        const worst = found.includes('deviation') ? 'deviation' : found.includes('allowed') ? 'allowed' : 'ok'
        expect(`group ${group}: ${worst}`).toBe(`group ${group}: ${lenient ? 'allowed' : 'deviation'}`)
      }
    },
  )
})
