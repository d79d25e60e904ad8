import { describe, expect, test } from 'vitest'
import { CloseCode } from '../../src/protocol/close-code.ts'
import { findCodeBlocks, findCodeSpans, findRows, findSections } from './support/markdown.ts'
import { readPage } from './support/pages.ts'
import { drawStateDiagram } from './support/state-diagram.ts'

const page = readPage('docs/topics/closing.md')

describe('docs/topics/closing.md', () => {
  test('shows the table of transitions', () => {
    const diagrams = findCodeBlocks(page).filter(({ language }) => language === 'mermaid')
    expect(diagrams.map(({ text }) => text)).toEqual([drawStateDiagram()])
  })

  test('names all likely causes, limits and facts of an end', () => {
    const source = readPage('src/protocol/close-code.ts')
    const membersOf = (type: string): string[] => {
      const [, body = ''] = new RegExp(`export type ${type} =([^\\n]*\\n(?:  \\|.*\\n)+)`).exec(source) ?? []
      return [...body.matchAll(/'([\w-]+)'/g)].map(([, name]) => name!).sort()
    }
    const section = findSections(page).find(({ heading }) => heading.text === 'Diagnosis')!
    const rows = findRows(section.prose)
    const spans = rows.flatMap(([first = '']) => findCodeSpans([first]))
    const causes = membersOf('CloseCause')
    expect(causes).toContain('idle-limit')
    expect(spans.slice(0, causes.length).sort()).toEqual(causes)
    const [, facts = ''] = /interface CloseFacts \{([\s\S]*?)\n\}/.exec(source) ?? []
    const fields = [...facts.matchAll(/readonly (\w+):/g)].map(([, name]) => name!)
    expect(fields).toContain('unsent')
    expect(spans.slice(causes.length).sort()).toEqual(fields.sort())
    // The last of that name is the fact; the first is the cause.
    const row = rows.findLast(([first]) => first === '`limit`')!
    expect(findCodeSpans([row[1]!]).sort()).toEqual(membersOf('CloseLimit'))
  })

  test('names all close codes', () => {
    const section = findSections(page).find(({ heading }) => heading.text === 'Close codes')!
    const named = findRows(section.prose)
      .filter(([, name]) => name !== '')
      .map(([code, name]) => [name, Number(code)])
    const actual = Object.entries(CloseCode).map(([name, code]) => [`\`CloseCode.${name}\``, code])
    expect(named).toEqual(actual)
  })
})
