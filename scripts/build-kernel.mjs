// Compile what is written in AssemblyScript and write it as TypeScript modules.
// usage: node scripts/build-kernel.mjs [--check]
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The modules: where each is written, where it goes, and what it exports there. */
export const modules = [
  {
    source: 'src/kernel/assembly/kernel.ts',
    target: 'src/kernel/kernel-binary.ts',
    name: 'kernelBinary',
    what: 'The WebAssembly kernel',
    features: ['--enable', 'simd'],
  },
  {
    source: 'src/deflate/assembly/compressor.ts',
    target: 'src/deflate/compressor-binary.ts',
    name: 'compressorBinary',
    what: 'The WebAssembly compressor',
    features: [],
  },
  {
    source: 'src/deflate/assembly/decompressor.ts',
    target: 'src/deflate/decompressor-binary.ts',
    name: 'decompressorBinary',
    what: 'The WebAssembly decompressor',
    features: ['--enable', 'simd'],
  },
]

/** Compile a module and return the text of its target. */
export async function build({ source, name, what, features }) {
  const files = {}
  const { error, stderr } = await asc.main(
    [
      source,
      '--baseDir',
      root,
      '--outFile',
      'module.wasm',
      '--optimizeLevel',
      '3',
      '--shrinkLevel',
      '0',
      '--runtime',
      'stub',
      '--noAssert',
      '--importMemory',
      ...features,
    ],
    {
      writeFile: (file, contents) => {
        files[file] = contents
      },
    },
  )
  if (error) throw new Error(`${source} does not compile: ${error.message}\n${stderr}`)
  const base64 = Buffer.from(files['module.wasm']).toString('base64')
  return [
    `// Made by \`npm run build:kernel\` from assembly/${source.split('/').pop()}. Do not edit.`,
    '',
    `/** ${what} in base64. */`,
    `export const ${name}: string =`,
    ...base64
      .match(/.{1,100}/g)
      .map((line, index, lines) => `  '${line}'${index < lines.length - 1 ? ' +' : ''}`),
    '',
  ].join('\n')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const module of modules) {
    const text = await build(module)
    const target = `${root}${module.target}`
    if (!process.argv.includes('--check')) {
      writeFileSync(target, text)
      console.log(`wrote ${module.target} (${text.length} characters)`)
    } else if (readFileSync(target, 'utf8') !== text) {
      console.error(`${module.target} is stale: run npm run build:kernel`)
      process.exitCode = 1
    }
  }
}
