// Compile the WebAssembly kernel and write it as a TypeScript module.
// usage: node scripts/build-kernel.mjs [--check]
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'

const root = fileURLToPath(new URL('..', import.meta.url))
const target = `${root}src/kernel/kernel-binary.ts`

/** Compile the kernel and return the text of src/kernel/kernel-binary.ts. */
export async function buildKernel() {
  const files = {}
  const { error, stderr } = await asc.main(
    [
      'src/kernel/assembly/kernel.ts',
      '--baseDir',
      root,
      '--outFile',
      'kernel.wasm',
      '--optimizeLevel',
      '3',
      '--shrinkLevel',
      '0',
      '--runtime',
      'stub',
      '--noAssert',
      '--importMemory',
      '--enable',
      'simd',
    ],
    {
      writeFile: (name, contents) => {
        files[name] = contents
      },
    },
  )
  if (error) throw new Error(`the kernel does not compile: ${error.message}\n${stderr}`)
  const base64 = Buffer.from(files['kernel.wasm']).toString('base64')
  return [
    '// Made by `npm run build:kernel` from assembly/kernel.ts. Do not edit.',
    '',
    '/** The WebAssembly kernel in base64. */',
    `export const kernelBinary: string =`,
    ...base64
      .match(/.{1,100}/g)
      .map((line, index, lines) => `  '${line}'${index < lines.length - 1 ? ' +' : ''}`),
    '',
  ].join('\n')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = await buildKernel()
  if (process.argv.includes('--check')) {
    if (readFileSync(target, 'utf8') !== text) {
      console.error('src/kernel/kernel-binary.ts is stale: run npm run build:kernel')
      process.exit(1)
    }
  } else {
    writeFileSync(target, text)
    console.log(`wrote src/kernel/kernel-binary.ts (${text.length} characters)`)
  }
}
