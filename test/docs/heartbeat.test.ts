import { expect, test } from 'vitest'
import { resolveConnectionOptions } from '../../src/connection/options.ts'
import { findCodeSpans, findRows, findSections } from './support/markdown.ts'
import { readPage } from './support/pages.ts'

const sections = findSections(readPage('docs/topics/heartbeat.md'))

test('docs/topics/heartbeat.md names a test for each death, and the test exists', () => {
  const section = sections.find(({ heading }) => heading.text === 'How soon a death is noticed')!
  const named = findRows(section.prose).flatMap((cells) => findCodeSpans([cells.at(-1)!]))
  expect(named.length).toBeGreaterThan(8)
  const tests = ['test/endurance/deaths.test.ts', 'test/connection/heartbeat.test.ts']
    .map(readPage)
    .join('\n')
  expect(named.filter((name) => !tests.includes(name))).toEqual([])
})

test('docs/topics/heartbeat.md tells the defaults', () => {
  const { pingInterval, pingTimeout, maxLifetime, closeTimeout } = resolveConnectionOptions({}, 'client')
  const [first] = sections.filter(({ heading }) => heading.text === 'Heartbeat')
  const rows = new Map(findRows(first!.prose).map(([name, value]) => [name, value]))
  expect(rows.get('`pingInterval`')).toBe(`${pingInterval / 1000} s`)
  expect(rows.get('`pingTimeout`')).toBe(`${pingTimeout / 1000} s`)
  expect([rows.get('`maxLifetime`'), maxLifetime]).toEqual(['`false`', Number.POSITIVE_INFINITY])
  expect(closeTimeout).toBe(10_000)
})
