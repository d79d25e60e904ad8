// The example of an extension, as two programs: what they agree on, and what becomes of a message that is damaged
// between them.

import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { checksum } from '../../examples/checksum/checksum.ts'
import { connect } from '../../src/index.ts'
import { connectedPair } from '../../src/testing/index.ts'
import { endPrograms, type Program, startExample } from '../peers/support/program.ts'

// Children share the machine with whatever else runs.
vi.setConfig({ testTimeout: 60_000 })

const AGREED = 'checksum; algorithm=crc32'
const DAMAGED = '"checksum": the message was damaged on the way'

let server: Program
let port: number

beforeAll(async () => {
  server = startExample('checksum/server.ts', ['0'])
  port = Number((await server.waitFor(/^listening on port (\d+)\n/))[1])
})
afterAll(endPrograms)

/** Stand between the programs, and change a byte of what one says to the other after the handshake. */
async function relay(damage: 'requests' | 'answers'): Promise<string> {
  const relay = createServer((client) => {
    const upstream = createConnection(port)
    pass(client, upstream, damage === 'requests')
    pass(upstream, client, damage === 'answers')
  }).listen(0, 'localhost')
  await once(relay, 'listening')
  onTestFinished(() => void relay.close())
  return `ws://localhost:${(relay.address() as AddressInfo).port}/`
}

function pass(from: Socket, to: Socket, isDamaging: boolean): void {
  let isDone = !isDamaging
  let isHandshake = true
  from.on('data', (bytes) => {
    if (!isDone && !isHandshake) {
      bytes[bytes.length - 1]! ^= 1
      isDone = true
    }
    isHandshake = false
    to.write(bytes)
  })
  from.on('end', () => to.end())
  from.on('error', () => to.destroy())
}

describe('the checksum programs', () => {
  test('agree on the extension, and their messages arrive', async () => {
    const client = startExample('checksum/client.ts', [`ws://localhost:${port}/`])
    expect(await client.exit()).toEqual({ code: 0, signal: null })
    expect(client.lines[0]).toMatch(new RegExp(`^agreed on permessage-deflate;.*, ${AGREED}$`))
    expect(client.lines.slice(1)).toEqual([
      'Hello, World',
      'Uint8Array(3) [ 1, 2, 3 ]',
      '3893 characters in pieces',
      'we closed with 1000 (normal closure) and the peer answered',
    ])
    expect(client.stderr).toBe('')
  })

  test('close with 1007 when a message to the server is damaged', async () => {
    const client = startExample('checksum/client.ts', [await relay('requests')])
    expect(await client.exit()).toEqual({ code: 1, signal: null })
    expect(client.lines.at(-1)).toMatch(/^the peer closed with 1007 /)
    await server.waitFor(new RegExp(`^- .*${DAMAGED}`, 'm'))
  })

  test('close with 1007 when a message to the client is damaged', async () => {
    const client = startExample('checksum/client.ts', [await relay('answers')])
    expect(await client.exit()).toEqual({ code: 1, signal: null })
    expect(client.lines.at(-1)).toContain(DAMAGED)
    await server.waitFor(/^- the peer closed with 1007 /m)
  })

  test('do without where the other end does not know it', async () => {
    const connection = await connect(`ws://localhost:${port}/`, { compression: false })
    expect(connection.extensions).toBe('')
    await connection.send('plain')
    expect(await connection.receive()).toBe('plain')
    await connection.close()
  })

  test('stop on Ctrl-C, and say 1001', async () => {
    const other = startExample('checksum/server.ts', ['0'])
    const [, otherPort] = await other.waitFor(/^listening on port (\d+)\n/)
    const connection = await connect(`ws://localhost:${otherPort}/`)
    other.signal('SIGINT')
    expect(await connection.closed).toMatchObject({ code: 1001, clean: true })
    expect(await other.exit()).toEqual({ code: 0, signal: null })
    expect(other.stderr).toBe('')
  })
})

describe('the checksum', () => {
  test.each([1, 2, 3, 5, 1000])('is found when bytes come %d at a time', async (chunkSize) => {
    const { client, server } = connectedPair({
      chunkSize,
      client: { extensions: [checksum] },
      server: { extensions: [checksum] },
    })
    const messages = ['', 'a', 'Hello, World', '你好 😀', 'x'.repeat(2000), Uint8Array.of(0, 255, 0)]
    for (const message of messages) {
      await client.send(message)
      expect(await server.receive()).toEqual(message)
    }
    await client.send(['in ', 'pie', '', 'ces'])
    let text = ''
    for await (const piece of server.receiveStream()) text += piece
    expect(text).toBe('in pieces')
    await client.close()
  })

  test('is the CRC-32', () => {
    const extension = checksum.confirm!([{ name: 'algorithm', value: 'crc32' }])
    const payload = new TextEncoder().encode('123456789')
    const encoded = extension.encode!({ payload, isFirst: true, isLast: true, isText: true })
    // The check value that catalogues of such sums give.
    expect(Buffer.from(encoded.subarray(payload.length)).toString('hex')).toBe('cbf43926')
  })

  test.each([
    ['another algorithm', [{ name: 'algorithm', value: 'md5' }]],
    ['no algorithm', []],
    [
      'more than it knows',
      [
        { name: 'algorithm', value: 'crc32' },
        { name: 'seed', value: '1' },
      ],
    ],
  ])('is declined by servers and refused by clients with %s', (_, parameters) => {
    expect(checksum.accept!(parameters)).toBeUndefined()
    expect(() => checksum.confirm!(parameters)).toThrow('algorithm=crc32')
  })
})
