// Parts of documents that are written by the benchmark and by nobody else: they stand between two marks.

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Returns the text with a block between its marks. Throws if it has none. */
export function replaceBlock(text: string, name: string, content: string): string {
  const begin = beginOf(name)
  const end = endOf(name)
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from === -1 || to < from) throw new Error(`the text lacks the marks ${begin} and ${end}`)
  return `${text.slice(0, from)}${begin}\n\n${content}\n\n${text.slice(to)}`
}

/** Returns what stands between the marks. */
export function readBlock(text: string, name: string): string {
  const begin = beginOf(name)
  return text.slice(text.indexOf(begin) + begin.length, text.indexOf(endOf(name))).trim()
}

/** Writes a block into a document of the project, given by its path from the root. */
export function writeBlock(document: string, name: string, content: string): void {
  const file = fileURLToPath(new URL(`../../${document}`, import.meta.url))
  writeFileSync(file, replaceBlock(readFileSync(file, 'utf8'), name, content))
}

/** Writes a table; figures stand at the right. */
export function markdownTable(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  words = 1,
): string {
  const line = heading.map((_, index) => (index < words ? '---' : '---:'))
  return [heading, line, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function beginOf(name: string): string {
  return `<!-- ${name}: written by the benchmark -->`
}

function endOf(name: string): string {
  return `<!-- /${name} -->`
}
