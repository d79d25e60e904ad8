import { describe, expect, test } from 'vitest'
import { CloseCode } from '../../src/protocol/close-code.ts'
import { findCodeBlocks, findRows, findSections } from './support/markdown.ts'
import { readPage } from './support/pages.ts'
import { drawStateDiagram } from './support/state-diagram.ts'

const page = readPage('docs/topics/closing.md')

describe('docs/topics/closing.md', () => {
  test('shows the table of transitions', () => {
    const diagrams = findCodeBlocks(page).filter(({ language }) => language === 'mermaid')
    expect(diagrams.map(({ text }) => text)).toEqual([drawStateDiagram()])
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
