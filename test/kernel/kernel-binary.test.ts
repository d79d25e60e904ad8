import { execFile } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { kernelBinary } from '../../src/kernel/kernel-binary.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)

test.concurrent('the committed binary is what its source compiles to', async () => {
  await run(process.execPath, ['scripts/build-kernel.mjs', '--check'], { cwd: root })
}, 60_000)

test.concurrent('the check fails for a binary that is stale', async () => {
  const copy = mkdtempSync(join(tmpdir(), 'openline-kernel-'))
  try {
    mkdirSync(join(copy, 'scripts'))
    mkdirSync(join(copy, 'src'))
    writeFileSync(join(copy, 'package.json'), '{ "type": "module" }')
    copyFileSync(join(root, 'scripts/build-kernel.mjs'), join(copy, 'scripts/build-kernel.mjs'))
    for (const folder of ['src/kernel', 'src/deflate']) {
      cpSync(join(root, folder), join(copy, folder), { recursive: true })
    }
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
    writeFileSync(join(copy, 'src/kernel/kernel-binary.ts'), 'export const kernelBinary = ""\n')
    const check = run(process.execPath, [join(copy, 'scripts/build-kernel.mjs'), '--check'], { cwd: copy })
    await expect(check).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('stale') })
  } finally {
    rmSync(copy, { recursive: true })
  }
}, 60_000)

test('the binary is a WebAssembly module that is small', () => {
  const binary = Buffer.from(kernelBinary, 'base64')
  expect(binary.subarray(0, 8).toString('hex')).toBe('0061736d01000000')
  expect(binary.length).toBeLessThan(1024)
})
