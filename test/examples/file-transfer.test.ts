// The example that moves files, as two programs: what arrives is what was sent, and what does not arrive whole leaves
// nothing behind.

import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { connect } from '../../src/index.ts'
import { endPrograms, type Program, startExample } from '../peers/support/program.ts'

// Children share the machine with whatever else runs.
vi.setConfig({ testTimeout: 60_000 })

const MIB = 1024 * 1024

let folder: string
let uploads: string
let server: Program
let url: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'openline-files-'))
  uploads = join(folder, 'uploads')
  server = startExample('file-transfer/server.ts', [uploads, '0'])
  url = `ws://localhost:${(await server.waitFor(/^listening on port (\d+)\n/))[1]}/`
})
afterAll(async () => {
  await endPrograms()
  await rm(folder, { recursive: true, force: true })
})

async function upload(name: string, bytes: Uint8Array): Promise<Program> {
  const path = join(folder, name)
  await writeFile(path, bytes)
  const client = startExample('file-transfer/client.ts', [path, url])
  expect(await client.exit()).toEqual({ code: 0, signal: null })
  expect(client.stderr).toBe('')
  return client
}

describe('the file transfer', () => {
  test.each([
    // More than a server takes as a whole.
    ['that nothing makes smaller', 'noise.bin', randomBytes(5 * MIB)],
    ['that shrinks', 'text.txt', Buffer.alloc(5 * MIB, 'All work and no play makes Jack a dull boy.\n')],
    ['of a few bytes', '文件 1.txt', Buffer.from('你好')],
    ['without a byte', 'empty', Buffer.alloc(0)],
  ])('moves a file %s', async (_, name, bytes) => {
    const client = await upload(name, bytes)
    expect(client.lines.at(-1)).toBe(`${bytes.length} bytes arrived as they are`)
    const arrived = await readFile(join(uploads, name))
    expect(hashOf(arrived)).toBe(hashOf(bytes))
    expect(server.lines).toContain(`+ ${join(uploads, name)}, ${bytes.length} bytes`)
  })

  test('tells how far it is', async () => {
    const client = await upload('steps.bin', randomBytes(4 * MIB))
    const steps = client.lines.slice(0, -1)
    expect(steps).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90, 100].map((percent) => `${percent} %`))
  })

  test('leaves nothing of a file that does not come to its end', async () => {
    const connection = await connect(`${url}?name=half.bin`)
    async function* half(): AsyncGenerator<Uint8Array> {
      yield randomBytes(2 * MIB)
      // It is on disk as soon as the server has a file for it.
      await vi.waitFor(async () => expect(await partsOf('half.bin')).toHaveLength(1), { timeout: 10_000 })
      connection.terminate()
    }
    await expect(connection.send(half())).rejects.toMatchObject({ code: 'WS_CLOSED' })
    await server.waitFor(/^- .*half\.bin: .*1006/m)
    expect(await partsOf('half.bin')).toEqual([])
  })

  test.each(['', '?name=', '?name=..', '?name=%2F', '?name=.profile', '?name=a%00b'])(
    'refuses "%s" with 400',
    async (query) => {
      await expect(connect(url + query)).rejects.toMatchObject({ status: 400 })
    },
  )

  test('stores below its folder whatever the name says', async () => {
    const connection = await connect(`${url}?name=${encodeURIComponent('../../escaped.txt')}`)
    await connection.send(Buffer.from('inside'))
    expect(JSON.parse(String(await connection.receive()))).toEqual({ size: 6, sha256: hashOf('inside') })
    await connection.closed
    expect(await readFile(join(uploads, 'escaped.txt'), 'utf8')).toBe('inside')
  })

  test('takes no text', async () => {
    const connection = await connect(`${url}?name=text`)
    await connection.send('text')
    expect(await connection.closed).toMatchObject({ code: 1003 })
  })

  test('says what is missing', async () => {
    const client = startExample('file-transfer/client.ts')
    expect(await client.exit()).toEqual({ code: 2, signal: null })
    expect(client.stderr).toMatch(/^usage: .*\n$/)
  })

  test('stops on Ctrl-C', async () => {
    server.signal('SIGINT')
    expect(await server.exit()).toEqual({ code: 0, signal: null })
    expect(server.stderr).toBe('')
  })
})

async function partsOf(name: string): Promise<string[]> {
  return (await readdir(uploads)).filter((file) => file.startsWith(name))
}

function hashOf(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}
