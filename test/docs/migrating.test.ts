// docs/migrating-from-python.md names nothing of ours that does not exist. That it leaves out nothing of Python's is held
// by test/peers/migrating.test.ts, which asks the libraries themselves.

import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { findCodeSpans, findRows, findSections } from './support/markdown.ts'
import { readPage, root } from './support/pages.ts'

const sections = findSections(readPage('docs/migrating-from-python.md'))

/** What is Node's, JavaScript's or somebody else's, and so in none of our sources. */
const FOREIGN = [
  ...['fetch', 'python-socks', 'readFileSync', 'timers'],
  ...['NODE_EXTRA_CA_CERTS', 'tls-keylog', 'node', 'SIGTERM', 'timingSafeEqual', 'WWW-Authenticate'],
  ...['camelCase', 'DEBUG', 'None', 'recv'],
]

function words(text: string): string[] {
  return [...text.matchAll(/[A-Za-z_$][\w$]*(?:-[\w$]+)*/g)].map((match) => match[0])
}

function readAll(folder: string): string {
  return readdirSync(root + folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => readFileSync(`${root}${folder}/${path}`, 'utf8'))
    .join('\n')
}

/** Node's own declarations, for what is handed on to it: the options of TLS. */
const NODE = ['tls', 'net', 'http'].map((name) =>
  readFileSync(`${root}node_modules/@types/node/${name}.d.ts`, 'utf8'),
)

const known = new Set([...words(readAll('src')), ...NODE.flatMap(words), ...FOREIGN])

const rows = sections.flatMap(({ heading, prose }) =>
  findRows(prose).map((row) => ({ heading: heading.text, row })),
)

test('there are tables', () => {
  expect(rows.length).toBeGreaterThan(150)
})

test('every row says what it is here, or that it is left out and why', () => {
  const bare = rows.filter(({ row }) => row.length !== 2 || row.some((cell) => cell === '' || cell === '—'))
  expect(bare).toEqual([])
})

test('what it names of ours exists', () => {
  // What is said of Python beside ours is no name of ours.
  const theirs = new Set(rows.flatMap(({ row: [python] }) => words(python!)))
  const unknown = rows.flatMap(({ heading, row: [, here] }) => {
    const ours = findCodeSpans([here!]).flatMap(words)
    return ours.filter((word) => !known.has(word) && !theirs.has(word)).map((word) => `${heading}: ${word}`)
  })
  expect(unknown).toEqual([])
})
