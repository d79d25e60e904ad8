// The protocol against the table: every case, in both roles, with every kernel, must be `ok`.

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { groupOf } from '../../conformance/case.ts'
import { allCases, GROUPS } from '../../conformance/cases/all.ts'
import { protocolEndpoint, runAllInMemory } from '../../conformance/in-memory.ts'
import { kernelFactories } from '../../conformance/kernels.ts'
import { differences, type Golden, selected } from '../../conformance/results.ts'

const golden: Golden = JSON.parse(
  readFileSync(new URL('../../conformance/golden.json', import.meta.url), 'utf8'),
)

describe('the golden results', () => {
  test('cover every case in each of its roles', () => {
    const roles = Object.fromEntries(
      Object.entries(golden).map(([id, result]) => [
        id,
        ['server', 'client'].filter((role) => role in result),
      ]),
    )
    expect(roles).toEqual(Object.fromEntries(allCases.map((testCase) => [testCase.id, testCase.roles])))
  })

  test('are all ok', () => {
    const verdicts = Object.values(golden).flatMap(({ server, client }) => [server ?? 'ok', client ?? 'ok'])
    expect(new Set(verdicts)).toEqual(new Set(['ok']))
  })
})

describe.each(kernelFactories)('with the $name', (kernel) => {
  // Bytes reach the protocol in two ways: servers are tested with one of them, clients with the other.
  test.each(Object.entries(GROUPS))('group %s, %s', (group) => {
    const cases = allCases.filter(({ id }) => groupOf(id) === group)
    const feeds = { server: 'receiveRead', client: 'receiveData' } as const
    const results = runAllInMemory(cases, protocolEndpoint(kernel, feeds))
    expect(differences(results, selected(golden, cases)).join('\n')).toBe('')
  })

  test('the cheap groups, fed the other way round', () => {
    const cases = allCases.filter(({ id }) => ['2', '4', '5', '7', '11'].includes(groupOf(id)))
    const feeds = { server: 'receiveData', client: 'receiveRead' } as const
    const results = runAllInMemory(cases, protocolEndpoint(kernel, feeds))
    expect(differences(results, selected(golden, cases)).join('\n')).toBe('')
  })
})
