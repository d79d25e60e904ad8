// The build for browsers as one file, as a bundler makes it: esbuild, which the tests' own tools bring along.

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)

/** Choose what a bundle looks like. */
export interface BundleOptions {
  readonly format: 'esm' | 'iife'
  readonly minify?: boolean
  /** The program to bundle, in place of all that the package exports. */
  readonly program?: string
}

/** Bundle for browsers. Rejects when something is reached that browsers do not have, such as `node:net`. */
export async function bundleForBrowsers({ format, minify = false, program }: BundleOptions): Promise<string> {
  const options = [
    '--bundle',
    '--platform=browser',
    '--target=es2022',
    '--log-level=error',
    `--format=${format}`,
  ]
  if (minify) options.push('--minify')
  if (format === 'iife') options.push('--global-name=openline')
  const entry = `${root}src/browser/index.ts`
  if (program === undefined) options.push(entry)
  else options.push(`--alias:openline=${entry}`, '--sourcefile=program.ts', '--loader=ts')
  const running = run(`${root}node_modules/.bin/esbuild`, options, {
    cwd: root,
    maxBuffer: 64 * 1024 * 1024,
  })
  running.child.stdin!.end(program)
  return (await running).stdout
}
