// Every program in the documentation passes the type checker, runs, and prints what the page says.

import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DocsProject } from './support/compiler.ts'
import { pages, readPage, root } from './support/pages.ts'
import { findPrograms, type ProgramGroup, runGroup } from './support/programs.ts'

const found = pages.map((path) => ({ path, ...findPrograms(readPage(path)) }))
const project = new DocsProject()
let complaints: string

for (const { path, groups, typesOnly } of found) {
  for (const group of groups) {
    for (const [index, text] of group.programs.entries()) project.add(fileOf(path, group, index), text)
  }
  for (const [index, text] of typesOnly.entries()) project.add(`${slug(path)}-types-only-${index}.ts`, text)
}

beforeAll(async () => {
  complaints = await project.compile()
})

afterAll(() => project.remove())

test('all programs pass the type checker', () => {
  expect(complaints).toBe('')
})

const files = found.flatMap(({ path: page, files }) => files.map((file) => ({ page, ...file })))

test.each(files)('$page has $path as it is', ({ path, text }) => {
  expect(existsSync(root + path)).toBe(true)
  expect(text).toBe(readPage(path))
})

for (const { path, groups } of found) {
  if (groups.length === 0) continue
  describe.concurrent(path, () => {
    test.each(groups)('runs $name', { timeout: 60_000 }, async (group) => {
      const compiled = group.programs.map((_, index) => project.read(fileOf(path, group, index)))
      const folder = `${project.folder}/runs/${slug(path)}-${group.name}`
      expect(await runGroup(group, compiled, folder)).toBeUndefined()
    })
  })
}

function fileOf(path: string, { name }: ProgramGroup, index: number): string {
  return `${slug(path)}-${name}-${index + 1}.ts`
}

function slug(path: string): string {
  return path.replaceAll(/[^\w-]/g, '_')
}
