// Remove the folders given as arguments, below the project's root only.
import { rmSync } from 'node:fs'
import { resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
for (const name of process.argv.slice(2)) {
  const folder = resolve(root, name)
  if (!folder.startsWith(root) || folder === root.slice(0, -sep.length))
    throw new Error(`not below the project: ${name}`)
  rmSync(folder, { recursive: true, force: true })
}
