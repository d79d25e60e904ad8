// The committed inputs: one file each in corpus/TARGET, written to be read. A file holds pairs of hexadecimal
// digits and ASCII text in double quotes, in any order; "#" begins a comment.

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { concat, fromLatin1, toHex } from './bytes.ts'

const ROOT = fileURLToPath(new URL('./corpus/', import.meta.url))

export interface CorpusEntry {
  readonly name: string
  readonly input: Uint8Array
}

/** Read all inputs of a target, in the order of their names. */
export function readCorpus(target: string): CorpusEntry[] {
  const folder = join(ROOT, target)
  if (!existsSync(folder)) return []
  const names = readdirSync(folder).filter((name) => name.endsWith('.hex'))
  return names.sort().map((name) => ({ name, input: readInput(join(folder, name)) }))
}

/** Read one file. */
export function readInput(path: string): Uint8Array {
  return parseInput(readFileSync(path, 'utf8'), path)
}

/** Parse the text of such a file. Throws SyntaxError. */
export function parseInput(text: string, path = 'the input'): Uint8Array {
  const parts: Uint8Array[] = []
  const token = /\s+|#.*|"([\x20\x21\x23-\x7e]*)"|((?:[0-9a-fA-F]{2})+)/y
  while (token.lastIndex < text.length) {
    const start = token.lastIndex
    const match = token.exec(text)
    if (match === null) {
      throw new SyntaxError(`${path}: neither hexadecimal pairs nor quoted ASCII at offset ${start}`)
    }
    if (match[1] !== undefined) parts.push(fromLatin1(match[1]))
    if (match[2] !== undefined) parts.push(Buffer.from(match[2], 'hex'))
  }
  return concat(parts)
}

/** Write an input as such a text. */
export function formatInput(input: Uint8Array, comment: string): string {
  const lines = comment.split('\n').map((line) => `# ${line}`.trimEnd())
  const pairs = toHex(input).match(/../g) ?? []
  for (let start = 0; start < pairs.length; start += 32) lines.push(pairs.slice(start, start + 32).join(' '))
  return `${lines.join('\n')}\n`
}

/** Save an input that broke an invariant, and return the path. */
export function saveInput(target: string, input: Uint8Array, comment: string): string {
  const folder = join(ROOT, target)
  mkdirSync(folder, { recursive: true })
  const name = `found-${createHash('sha256').update(input).digest('hex').slice(0, 12)}.hex`
  const path = join(folder, name)
  writeFileSync(path, formatInput(input, comment))
  return path
}
