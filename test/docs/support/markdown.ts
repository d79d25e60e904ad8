// Markdown as far as these tests read it: headings, fenced code with the marker before it, tables.

/** Hold a fenced block of code. */
export interface CodeBlock {
  readonly language: string
  readonly text: string
  /** The comment on the line before the fence, such as `run: echo, with echo`. */
  readonly marker: string | undefined
  /** The line of the opening fence, counted from 1. */
  readonly line: number
}

/** Hold a heading: its level and its text. */
interface Heading {
  readonly level: number
  readonly text: string
}

/** Hold what lies between two headings. */
export interface Section {
  readonly heading: Heading
  /** The lines without code blocks. */
  readonly prose: readonly string[]
}

/** Find all fenced blocks of code. */
export function findCodeBlocks(markdown: string): CodeBlock[] {
  const blocks: CodeBlock[] = []
  const lines = markdown.split('\n')
  for (let index = 0; index < lines.length; index++) {
    const fence = /^```(\w+)$/.exec(lines[index]!)
    if (fence === null) {
      if (lines[index]!.trimStart().startsWith('```')) {
        throw new Error(`line ${index + 1}: a fence must stand at the margin and name its language`)
      }
      continue
    }
    const end = lines.indexOf('```', index + 1)
    if (end === -1) throw new Error(`line ${index + 1}: the block does not end`)
    const marker = /^<!-- (.+) -->$/.exec(lines[index - 1] ?? '')
    blocks.push({
      language: fence[1]!,
      text: `${lines.slice(index + 1, end).join('\n')}\n`,
      marker: marker?.[1],
      line: index + 1,
    })
    index = end
  }
  return blocks
}

/** Cut a page into sections, one for each heading. */
export function findSections(markdown: string): Section[] {
  const sections: { heading: Heading; prose: string[] }[] = []
  let isCode = false
  for (const line of markdown.split('\n')) {
    if (line.startsWith('```')) isCode = !isCode
    if (isCode || line.startsWith('```')) continue
    const heading = /^(#+) (.+)$/.exec(line)
    if (heading !== null) {
      sections.push({ heading: { level: heading[1]!.length, text: heading[2]! }, prose: [] })
    } else {
      sections.at(-1)?.prose.push(line)
    }
  }
  return sections
}

/** Find the rows of all tables in lines of prose, as cells; without heads and rules. */
export function findRows(prose: readonly string[]): string[][] {
  const rows: string[][] = []
  for (const [index, line] of prose.entries()) {
    if (!line.startsWith('|') || /^\|[-:| ]+\|$/.test(line)) continue
    if (/^\|[-:| ]+\|$/.test(prose[index + 1] ?? '')) continue
    const cells = line.split(/(?<!\\)\|/).slice(1, -1)
    rows.push(cells.map((cell) => cell.trim()))
  }
  return rows
}

/** Find what stands in backticks. */
export function findCodeSpans(prose: readonly string[]): string[] {
  return [...prose.join('\n').matchAll(/`([^`\n]+)`/g)].map((match) => match[1]!)
}
