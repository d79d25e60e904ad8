// The programs of the documentation as a project of their own, which finds openline as a user's would: by its name.

import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import { root } from './pages.ts'

/** Hold a project in a folder of its own below the project's cache. */
export class DocsProject {
  readonly folder: string
  readonly #package: string
  readonly #files = new Set<string>()

  constructor() {
    const base = `${root}.cache/docs`
    mkdirSync(base, { recursive: true })
    this.folder = mkdtempSync(`${base}/`)
    this.#package = `${this.folder}/node_modules/openline`
    mkdirSync(this.#package, { recursive: true })
  }

  /** Add a program. */
  add(file: string, text: string): void {
    if (this.#files.has(file)) throw new Error(`two programs have the name ${file}`)
    this.#files.add(file)
    writeFileSync(`${this.folder}/${file}`, text)
  }

  /** Type-check and compile all programs, and the package with them; return what the compiler said. */
  async compile(): Promise<string> {
    const { exports } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as {
      exports: Record<string, string | { 'openline-source': string }>
    }
    const sources = Object.entries(exports).flatMap(([subpath, target]) =>
      typeof target === 'string' ? [] : [[subpath, target['openline-source']] as const],
    )
    this.#writeJson('package.json', { name: 'openline-docs', private: true, type: 'module' })
    this.#writeJson('node_modules/openline/package.json', {
      name: 'openline',
      type: 'module',
      exports: Object.fromEntries(
        sources.map(([subpath, source]) => [subpath, source.replace(/\.ts$/, '.js')]),
      ),
    })
    this.#writeJson('tsconfig.json', {
      extends: `${root}tsconfig.json`,
      compilerOptions: {
        noEmit: false,
        declaration: false,
        isolatedDeclarations: false,
        rootDir: root,
        outDir: this.#package,
        paths: Object.fromEntries(
          sources.map(([subpath, source]) => [`openline${subpath.slice(1)}`, [root + source.slice(2)]]),
        ),
        // What a program in a text does not use is there for its reader.
        noUnusedLocals: false,
        noUnusedParameters: false,
      },
      include: ['*.ts'],
    })
    return runTypeScript(this.folder)
  }

  /** Read what a program was compiled to. */
  read(file: string): string {
    const place = relative(root, this.folder)
    return readFileSync(`${this.#package}/${place}/${file.replace(/\.ts$/, '.js')}`, 'utf8')
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  #writeJson(file: string, value: unknown): void {
    writeFileSync(`${this.folder}/${file}`, `${JSON.stringify(value, undefined, 2)}\n`)
  }
}

const TIMEOUT = 50_000

function runTypeScript(folder: string): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '-p', folder], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: TIMEOUT,
    })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    child.on('close', (status, signal) => {
      resolve(status === 0 ? '' : output || `the compiler ended with ${status ?? signal}`)
    })
  })
}
