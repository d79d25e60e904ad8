// What the documents say about speed is what was measured: each block between the benchmark's marks is the one that the
// published figures give.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { readBlock } from '../../benchmarks/harness/blocks.ts'
import {
  type ProfiledWork,
  type Publication,
  renderBlock,
  renderProfile,
  renderTargets,
} from '../../benchmarks/harness/publish.ts'
import { targets } from '../../benchmarks/targets.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

function read(file: string): string {
  return readFileSync(root + file, 'utf8')
}

const { publication } = JSON.parse(read('benchmarks/results/published.json')) as { publication: Publication }
const performance = read('docs/topics/performance.md')

test.each([
  ['README.md', 'en'],
  ['README.zh-CN.md', 'zh-CN'],
] as const)('%s shows the published figures', (file, language) => {
  expect(readBlock(read(file), 'benchmark')).toBe(renderBlock(publication, language))
})

test('the page on performance shows the verdict on every target', () => {
  expect(readBlock(performance, 'targets')).toBe(renderTargets(publication))
  expect(publication.verdicts.map(({ target }) => target)).toEqual(targets)
})

test('the page on performance shows the published profile', () => {
  const { results } = JSON.parse(read('benchmarks/results/published-profile.json')) as {
    results: readonly ProfiledWork[]
  }
  expect(readBlock(performance, 'profile')).toBe(renderProfile(results))
})
