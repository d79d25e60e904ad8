// Holds the shape of the source: which layer may import which, that every file with logic has its test, and that
// no file grows without a reason.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The layer of each folder or file of src/. Imports point down, or stay in the folder. */
const LAYERS: Readonly<Record<string, number>> = {
  'checks.ts': 0,
  'errors.ts': 0,
  protocol: 0,
  handshake: 0,
  deflate: 1,
  kernel: 1,
  transport: 1,
  timing: 1,
  connection: 2,
  trace: 2,
  client: 3,
  reconnect: 3,
  server: 3,
  app: 4,
  'event-loop': 4,
  testing: 4,
  browser: 5,
  'index.ts': 5,
}

/** Imports within a layer from one folder to another, each with its reason. */
const SIDEWAYS: Readonly<Record<string, string>> = {
  'protocol -> errors.ts': 'errors are a leaf that every layer may use',
  'handshake -> errors.ts': 'errors are a leaf that every layer may use',
  'errors.ts -> protocol': 'close codes are a leaf too, and errors explain them',
  'deflate -> timing': 'windows that were not used for long are given back, and time is an argument',
  'reconnect -> client': 'only the type of the options: how to connect is an argument',
  'trace -> connection': 'a trace tells of connections, which know nothing of it but their option',
  'transport -> timing': 'it is noted when bytes were sent, and time is an argument',
  'transport -> kernel': 'large output lies in memory of the kind that messages have',
}

/** Optional peer dependencies: the one file that imports each, when it is first needed (ADR 13). */
const OPTIONAL: Readonly<Record<string, string>> = {
  socks: 'client/tunnel-socks.ts',
  'tough-cookie': 'client/cookies.ts',
}

/** Source files without a test of their own. */
const UNTESTED: Readonly<Record<string, string>> = {
  'browser/socket.ts': 'an interface, and the list of its callbacks',
  'connection/consumer.ts': 'an interface',
  'reconnect/app-callbacks.ts': 'interfaces',
  'protocol/compression.ts': 'interfaces',
  'protocol/limits.ts': 'an interface and the numbers that are its defaults',
  'transport/transport.ts': 'interfaces',
  'kernel/assembly/kernel.ts':
    'AssemblyScript: tested through wasm-kernel.ts, which runs what it compiles to',
  'deflate/inflater-sink.ts': 'an interface',
  'deflate/assembly/bit-reader.ts': 'AssemblyScript: a part of the decompressor',
  'deflate/assembly/block-codes.ts': 'AssemblyScript: a part of the decompressor',
  'deflate/assembly/codes.ts': 'AssemblyScript: a part of the compressor',
  'deflate/assembly/compressor.ts':
    'AssemblyScript: tested through fast-deflater.ts, which runs what it compiles to',
  'deflate/assembly/decoding-tables.ts': 'AssemblyScript: a part of the decompressor',
  'deflate/assembly/decompressor-layout.ts': 'AssemblyScript: a part of the decompressor',
  'deflate/assembly/decompressor.ts':
    'AssemblyScript: tested through fast-inflater.ts, which runs what it compiles to',
  'deflate/assembly/layout.ts': 'AssemblyScript: a part of the compressor',
}

/** Folders of test/ that mirror no folder of src/. */
const OTHER_TESTS: Readonly<Record<string, string>> = {
  conformance: 'the table of protocol cases, against the protocol and over TCP',
  contract: 'suites that every implementation of an interface passes',
  docs: 'what the documents say',
  examples: 'the programs under examples/',
  fuzz: 'the fuzz targets, for a short while',
  endurance: 'what takes its time: servers that restart, peers that die',
  integration: 'where several layers meet: slow consumers, greedy programs',
  peers: 'other implementations: browsers, Python, ws, curl',
  security: 'advisories of this field, and hostile clients',
  support: 'helpers',
}

/** Test files that mirror no source file, in folders that do. */
const EXTRA_TESTS: Readonly<Record<string, string>> = {
  'architecture.test.ts': 'this file',
}

/** Source files above 400 lines. */
const LONG_FILES: Readonly<Record<string, string>> = {
  'connection/link.ts': 'joins transport, protocol and consumer: its parts share the state of one connection',
  'handshake/http1.ts':
    'both ends of the handshake over HTTP/1.1, with the sentences of the RFC over their rules',
  'protocol/protocol.ts': 'joins the stations of both ways: they share the state of one connection',
}
const MOST_LINES = 400

interface Import {
  readonly from: string
  readonly to: string
  /** True when nothing of it is left at run time. */
  readonly isTypeOnly: boolean
  /** True for import(). */
  readonly isDynamic: boolean
}

function filesIn(folder: string, ending: string): string[] {
  return readdirSync(`${root}${folder}`, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith(ending))
    .sort()
}

function readSource(path: string): string {
  return readFileSync(`${root}src/${path}`, 'utf8')
}

const sources = filesIn('src', '.ts')
const tests = filesIn('test', '.test.ts')
const imports = sources.flatMap(importsOf)

function importsOf(path: string): Import[] {
  const statements = readSource(path).matchAll(
    /^(?:import|export)\s+(type\s)?(?:[^'"`;]*?\sfrom\s)?'([^']+)'|\bimport\('([^']+)'\)/gm,
  )
  return [...statements].map(([, type, fixed, dynamic]) => {
    const to = fixed ?? dynamic!
    return {
      from: path,
      to: to.startsWith('.') ? withEnding(new URL(to, `file:///${path}`).pathname.slice(1)) : to,
      isTypeOnly: type !== undefined,
      isDynamic: dynamic !== undefined,
    }
  })
}

/** AssemblyScript names modules without one. */
function withEnding(path: string): string {
  return path.endsWith('.ts') ? path : `${path}.ts`
}

/** The folder of src/ that a file is in, or the file itself. */
function part(path: string): string {
  return path.split('/')[0]!
}

function isLocal({ to }: Import): boolean {
  return sources.includes(to)
}

describe('the layers', () => {
  test('are known for every folder', () => {
    expect([...new Set(sources.map(part))].sort()).toEqual(Object.keys(LAYERS).sort())
  })

  test('import only downwards', () => {
    const upwards = imports.filter(isLocal).filter(({ from, to }) => {
      const [here, there] = [part(from), part(to)]
      if (here === there || `${here} -> ${there}` in SIDEWAYS) return false
      return LAYERS[there]! >= LAYERS[here]!
    })
    expect(upwards).toEqual([])
  })

  test('have no reason for what nobody does', () => {
    const done = new Set(imports.filter(isLocal).map(({ from, to }) => `${part(from)} -> ${part(to)}`))
    expect(Object.keys(SIDEWAYS).filter((pair) => !done.has(pair))).toEqual([])
  })

  test('import nothing but themselves, Node and optional packages', () => {
    const strangers = imports.filter((one) => !isLocal(one) && !one.to.startsWith('node:'))
    // AssemblyScript's compiler gives its own functions without imports.
    expect(strangers.filter(({ from, to, isDynamic }) => OPTIONAL[to] !== from || !isDynamic)).toEqual([])
    expect(new Set(strangers.map(({ to }) => to))).toEqual(new Set(Object.keys(OPTIONAL)))
    expect(imports.length).toBeGreaterThan(100)
  })

  test('leave Node out of the protocol core', () => {
    const impure = imports.filter(({ from, to }) => LAYERS[part(from)] === 0 && to.startsWith('node:'))
    expect(impure).toEqual([])
  })

  test('errors.ts imports close codes and nothing else', () => {
    expect(imports.filter(({ from }) => from === 'errors.ts').map(({ to }) => to)).toEqual([
      'protocol/close-code.ts',
    ])
    expect(imports.filter(({ from }) => from === 'protocol/close-code.ts')).toEqual([])
  })

  test('have no cycle at run time', () => {
    const next = new Map<string, string[]>()
    for (const one of imports) {
      if (one.isTypeOnly || !isLocal(one)) continue
      next.set(one.from, [...(next.get(one.from) ?? []), one.to])
    }
    const done = new Set<string>()
    const visit = (path: string, above: readonly string[]): void => {
      if (above.includes(path)) throw new Error(`a cycle: ${[...above, path].join(' -> ')}`)
      if (done.has(path)) return
      for (const to of next.get(path) ?? []) visit(to, [...above, path])
      done.add(path)
    }
    for (const path of sources) visit(path, [])
  })

  test('have an index.ts only at public entries', () => {
    const entries = sources.filter((path) => path === 'index.ts' || path.endsWith('/index.ts'))
    expect(entries).toEqual(['browser/index.ts', 'index.ts', 'protocol/index.ts', 'testing/index.ts'])
  })
})

describe('the tests mirror the source', () => {
  const testOf = (path: string): string => path.replace(/\.ts$/, '.test.ts')

  test('every file with logic has its test', () => {
    const missing = sources.filter((path) => !(path in UNTESTED) && !tests.includes(testOf(path)))
    expect(missing).toEqual([])
  })

  test('every test in a folder of the source has its file', () => {
    const orphans = tests.filter(
      (path) =>
        !(part(path) in OTHER_TESTS) &&
        !(path in EXTRA_TESTS) &&
        !sources.includes(path.replace(/\.test\.ts$/, '.ts')),
    )
    expect(orphans).toEqual([])
  })

  test('every exception is one', () => {
    expect(Object.keys(UNTESTED).filter((path) => !sources.includes(path))).toEqual([])
    expect(Object.keys(UNTESTED).filter((path) => tests.includes(testOf(path)))).toEqual([])
    expect(Object.keys(EXTRA_TESTS).filter((path) => !tests.includes(path))).toEqual([])
    expect(Object.keys(OTHER_TESTS).filter((folder) => existsSync(`${root}src/${folder}`))).toEqual([])
  })
})

test('no source file is long without a reason', () => {
  const long = sources.filter((path) => readSource(path).split('\n').length - 1 > MOST_LINES)
  expect(long).toEqual(Object.keys(LONG_FILES))
})

test('every source file begins by saying what it is for', () => {
  expect(sources.filter((path) => !readSource(path).startsWith('//'))).toEqual([])
})

test('README.md and README.zh-CN.md have the same headings', () => {
  const shape = (name: string): number[] => {
    const text = readFileSync(`${root}${name}`, 'utf8').replace(/^```[\s\S]*?^```/gm, '')
    return [...text.matchAll(/^(#+) /gm)].map(([, marks]) => marks!.length)
  }
  expect(shape('README.zh-CN.md')).toEqual(shape('README.md'))
  expect(shape('README.md').length).toBeGreaterThan(0)
})
