// The commands in the documentation exist, and so do the files that it links to.

import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { findCodeBlocks, findSections } from './support/markdown.ts'
import { pages, readPage, root } from './support/pages.ts'

const { scripts, name } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as {
  name: string
  scripts: Record<string, string>
}

const LANGUAGES = ['ts', 'js', 'python', 'sh', 'mermaid', 'text']

/** Say what is wrong with one command; `undefined` when nothing is. */
function judgeCommand(command: string): string | undefined {
  const words = command.trim().split(/\s+/)
  const [program, ...rest] = words
  switch (program) {
    case 'npm': {
      const [verb, argument] = rest
      if (verb === 'install')
        return argument === undefined || argument === name ? undefined : 'installs what?'
      const script = verb === 'run' ? argument! : verb!
      return script in scripts ? undefined : `package.json has no script ${script}`
    }
    case 'npx':
      return judgeCommand(rest.join(' '))
    case 'vitest':
    case 'tsx':
    case 'bash':
    case 'node': {
      const file = rest.find((word) => word.includes('/'))
      return file === undefined || existsSync(root + file) ? undefined : `there is no ${file}`
    }
    default:
      return program!.includes('=') ? judgeCommand(rest.join(' ')) : `${program} is not known here`
  }
}

describe.each(pages)('%s', (path) => {
  const page = readPage(path)

  test('has code in known languages only', () => {
    const languages = findCodeBlocks(page).map(({ language }) => language)
    expect(languages.filter((language) => !LANGUAGES.includes(language))).toEqual([])
  })

  test('has commands that exist', () => {
    const commands = findCodeBlocks(page)
      .filter(({ language }) => language === 'sh')
      .flatMap(({ text }) => text.split('\n'))
      .map((line) => line.replace(/(^|\s)#.*$/, ''))
      .flatMap((line) => line.split('&&'))
      .filter((command) => command.trim() !== '')
    const inProse = [...page.matchAll(/`(npm run [^`\s]+|npm (?:test|start))[^`]*`/g)].map(
      (match) => match[1]!,
    )
    const wrong = [...commands, ...inProse].map((command) => [command, judgeCommand(command)])
    expect(wrong.filter(([, problem]) => problem !== undefined)).toEqual([])
  })

  test('names files and folders that exist', () => {
    const paths = [...page.matchAll(/`((?:src|test|docs|scripts|examples|fuzz|conformance)\/[\w./-]*)`/g)]
    const missing = paths.map((match) => match[1]!).filter((file) => !existsSync(root + file))
    expect(missing).toEqual([])
  })

  test('has links that lead somewhere', () => {
    const prose = page.replaceAll(/^```[\s\S]*?^```$/gm, '').replaceAll(/`[^`\n]*`/g, '')
    const broken = [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
      .map((match) => match[1]!)
      .filter((link) => !/^https?:/.test(link))
      .filter((link) => !leadsSomewhere(path, link))
    expect(broken).toEqual([])
  })
})

function leadsSomewhere(from: string, link: string): boolean {
  const [file, anchor] = link.split('#') as [string, string | undefined]
  const target = file === '' ? from : join(dirname(from), file)
  if (!existsSync(root + target)) return false
  if (anchor === undefined) return true
  return findSections(readPage(target)).some(({ heading }) => toAnchor(heading.text) === anchor)
}

function toAnchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{Letter}\p{Number}\s_-]/gu, '')
    .replaceAll(' ', '-')
}
