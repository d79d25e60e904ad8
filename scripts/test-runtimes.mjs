// Run the tests that a runtime can fail on every supported version of Node; on the oldest and the newest of them all tests,
// and also without any of the fast ways to read, write and parse.
// usage: node scripts/test-runtimes.mjs [VERSION ...]   (default: 20 22 24 26)
//
// The versions come from the npm package `node` and are kept in .cache/runtimes.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const versions = process.argv.length > 2 ? process.argv.slice(2) : ['20', '22', '24', '26']

// What is slow and has nothing to do with the runtime is left to `npm test`.
const bound = ['kernel', 'deflate', 'transport', 'timing', 'connection', 'server', 'client', 'app', 'browser']
const more = ['integration', 'event-loop', 'testing']
/** What is hardly more than JavaScript: for the oldest and the newest only. */
const pure = ['protocol', 'handshake', 'security', 'conformance']
/** Whole programs, which `npm test` runs by the fast ways: for the oldest without them only. */
const programs = ['docs', 'examples']

const variants = [
  { name: 'all fast ways', isFast: true, env: {} },
  {
    name: 'none of them',
    isFast: false,
    env: {
      OPENLINE_SHARED_READ: 'off',
      OPENLINE_DIRECT_WRITE: 'off',
      OPENLINE_FAST_HANDSHAKE: 'off',
      OPENLINE_KERNEL: 'javascript',
      OPENLINE_MESSAGE_MEMORY: 'plain',
      OPENLINE_SYNC_ZLIB: 'off',
    },
  },
]

/** Find the binary of a version, installing it first if need be. */
function findNode(version) {
  if (process.versions.node.startsWith(`${version}.`)) return process.execPath
  const folder = `${root}.cache/runtimes/${version}`
  const modules = `${folder}/node_modules`
  if (!existsSync(`${modules}/node`)) {
    console.log(`installing Node ${version} …`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(`${folder}/package.json`, '{ "private": true }\n')
    const { status } = spawnSync('npm', ['install', '--no-save', '--silent', `node@${version}`], {
      cwd: folder,
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    if (status !== 0) throw new Error(`npm could not install node@${version}`)
  }
  for (const base of [`${modules}/node/node_modules`, modules]) {
    if (!existsSync(base)) continue
    for (const name of readdirSync(base)) {
      const binary = `${base}/${name}/bin/node`
      if (name.startsWith('node-') && existsSync(binary)) return binary
    }
  }
  if (existsSync(`${modules}/node/bin/node`)) return `${modules}/node/bin/node`
  throw new Error(`the package node@${version} has no binary for this machine`)
}

let failures = 0
for (const version of versions) {
  const node = findNode(version)
  const isAtTheEdge = version === versions[0] || version === versions.at(-1)
  for (const { name, isFast, env } of isAtTheEdge ? variants : variants.slice(0, 1)) {
    const actual = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()
    const started = Date.now()
    const folders = [...bound, ...more]
    if (isAtTheEdge) folders.push(...pure)
    if (version === versions[0] && !isFast) folders.push(...programs)
    const run = spawnSync(
      node,
      [
        'node_modules/vitest/vitest.mjs',
        'run',
        '--reporter=dot',
        ...folders.map((folder) => `test/${folder}/`),
      ],
      { cwd: root, env: { ...process.env, ...env }, encoding: 'utf8' },
    )
    const seconds = Math.round((Date.now() - started) / 1000)
    const isPassed = run.status === 0
    console.log(`${isPassed ? 'passed' : 'FAILED'}  Node ${actual}, ${name} (${seconds} s)`)
    if (!isPassed) {
      failures++
      // Without the line of dots.
      const lines = run.stdout.split('\n').filter((line) => !line.includes('·'))
      console.log(lines.join('\n').slice(-8000), run.stderr.slice(-4000))
    }
  }
}
console.log(`${versions.length * variants.length - failures} passed, ${failures} failed`)
process.exitCode = failures === 0 ? 0 : 1
