// Installs the peers exactly as the lock file says, unless that was done already. Install scripts stay
// off: all that is needed ships inside the packages, and nothing else may be downloaded.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))
const stampFile = `${folder}node_modules/.installed-for`

// Platform packages differ, so a folder copied from another machine must not pass.
const wanted = [
  process.platform,
  process.arch,
  createHash('sha256')
    .update(readFileSync(`${folder}package-lock.json`))
    .digest('hex'),
].join(' ')

if (!existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== wanted) {
  console.log('Installing the peers …')
  const { status } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: folder,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  if (status !== 0) {
    console.error('The peers could not be installed.')
    process.exit(1)
  }
  writeFileSync(stampFile, wanted)
}
