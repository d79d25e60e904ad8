// The pages of the documentation.

import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The project's folder, with a slash at its end. */
export const root: string = fileURLToPath(new URL('../../../', import.meta.url))

/** Read a file by its path from the project's folder. */
export function readPage(path: string): string {
  return readFileSync(root + path, 'utf8')
}

const AT_THE_TOP = [
  'README.md',
  'README.zh-CN.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
]

/** The paths of all pages. */
export const pages: readonly string[] = [
  ...AT_THE_TOP,
  ...readdirSync(`${root}docs`, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => `docs/${path.replaceAll('\\', '/')}`)
    .sort(),
]
