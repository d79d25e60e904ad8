import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { importOptional } from '../../src/client/optional-package.ts'
import { StateError } from '../../src/index.ts'
import { rejection } from '../server/support.ts'

describe('importOptional', () => {
  test('gives the module', async () => {
    expect(await importOptional(async () => ({ a: 1 }), 'a', 'this')).toEqual({ a: 1 })
  })

  test('says what to install when it is not there', async () => {
    // A name in a variable, which no compiler looks up.
    const name = 'a-package-that-nobody-has-installed'
    const error = await rejection(importOptional(() => import(name), name, 'cookies: true'))
    expect(error).toBeInstanceOf(StateError)
    expect(error).toMatchObject({
      code: 'WS_PACKAGE_MISSING',
      message: `an optional package is missing: cookies: true needs "${name}": npm install ${name}`,
      cause: { code: 'ERR_MODULE_NOT_FOUND' },
    })
  })

  test('passes on what a broken package throws', async () => {
    const broken = new SyntaxError('oops')
    expect(await rejection(importOptional(() => Promise.reject(broken), 'a', 'this'))).toBe(broken)
  })
})

/** A module that makes Node find none of the optional packages. */
const WITHOUT_PACKAGES = dataUrl(`
  import { register } from 'node:module'
  register(${JSON.stringify(
    dataUrl(`
      export async function resolve(name, context, next) {
        if (name !== 'socks' && name !== 'tough-cookie') return next(name, context)
        throw Object.assign(new Error('Cannot find package ' + name), { code: 'ERR_MODULE_NOT_FOUND' })
      }
    `),
  )})
`)

const PROGRAM = `
  import { connect, serve } from 'openline'
  const server = await serve({ open: (connection) => connection.send('open') }, { host: '127.0.0.1', port: 0 })
  const connection = await connect(server.url)
  console.log(await connection.receive())
  for (const options of [{ cookies: true }, { proxy: 'socks5h://127.0.0.1:1' }]) {
    await connect(server.url, options).catch((error) => console.log(error.name, error.code, error.message))
  }
  await connection.close()
  await server.close()
`

test('a program without the packages runs, and is told when it needs one', async () => {
  const args = ['--import', WITHOUT_PACKAGES, '--import', 'tsx', '--conditions=openline-source']
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...args, '--input-type=module', '--eval', PROGRAM],
    { cwd: fileURLToPath(new URL('../..', import.meta.url)), timeout: 20_000 },
  )
  expect(stdout.trim().split('\n')).toEqual([
    'open',
    'StateError WS_PACKAGE_MISSING an optional package is missing: cookies: true needs "tough-cookie": npm install tough-cookie',
    'StateError WS_PACKAGE_MISSING an optional package is missing: a SOCKS proxy needs "socks": npm install socks',
  ])
}, 30_000)

function dataUrl(code: string): string {
  return `data:text/javascript,${encodeURIComponent(code)}`
}
