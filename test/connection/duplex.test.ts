import { once } from 'node:events'
import { type Duplex, PassThrough, Readable, Writable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Connection } from '../../src/connection/connection.ts'
import { connectionDuplex } from '../../src/connection/duplex.ts'
import { ConnectionClosedError, StateError } from '../../src/errors.ts'
import { connect, type Server, serve } from '../../src/index.ts'
import { connectedPair, FakeClock } from '../../src/testing/index.ts'
import { concat, frameTo, pattern, utf8 } from '../support/bytes.ts'
import { BINARY, connectRaw, isSame, ROLES, receiveAll, receiveMany, settle, TEXT, until } from './support.ts'

async function readAll(readable: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of readable) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Give `count` pieces of bytes, and note how many were given. */
function countedSource(piece: Uint8Array, count: number): { source: Readable; given: () => number } {
  let given = 0
  function* pieces(): Generator<Uint8Array> {
    for (; given < count; given++) yield piece
  }
  return { source: Readable.from(pieces(), { objectMode: false, highWaterMark: 1 }), given: () => given }
}

describe.each(ROLES)('toDuplex() of a %s', (role) => {
  const other = role === 'client' ? 'server' : 'client'

  describe('reading', () => {
    test('joins the bytes of messages of both kinds, and ends with an ordinary close', async () => {
      for (const code of [1000, 1001, 1005]) {
        const pair = connectedPair()
        const bytes = readAll(pair[role].toDuplex())
        void pair[other].send('grü')
        void pair[other].send('')
        void pair[other].send(utf8('ße'))
        await pair[other].send([utf8('in '), utf8('pieces')])
        void pair[other].close(code)
        expect((await bytes).toString()).toBe('grüßein pieces')
      }
    })

    test('takes a message in pieces while it arrives', async () => {
      const { connection, peer } = connectRaw(role)
      const duplex = connection.toDuplex()
      duplex.setEncoding('utf8')
      peer.send(0x01, 'one')
      expect(await once(duplex, 'data')).toEqual(['one'])
      peer.send(0x80, 'two')
      expect(await once(duplex, 'data')).toEqual(['two'])
    })

    test('takes messages above maxMessageSize, up to maxStreamSize', async () => {
      const pair = connectedPair({ [role]: { maxMessageSize: 1000, maxStreamSize: 100_000 } })
      const bytes = readAll(pair[role].toDuplex())
      const message = pattern(100_000)
      void pair[other].send(message)
      await pair[other].send('behind')
      void pair[other].close()
      expect(isSame(await bytes, concat(message, utf8('behind')))).toBe(true)
    })

    test('errors for messages that are larger', async () => {
      const pair = connectedPair({ [role]: { maxMessageSize: 1000 } })
      const bytes = readAll(pair[role].toDuplex())
      void pair[other].send(pattern(1001))
      await expect(bytes).rejects.toMatchObject({ info: { code: 1009 } })
    })

    test('begins with the first one who reads', async () => {
      const { connection, peer } = connectRaw(role)
      connection.toDuplex()
      await settle()
      peer.send(TEXT, 'one')
      expect(await connection.receive()).toBe('one')
    })

    test('errors with StateError while somebody else receives', async () => {
      const { connection } = connectRaw(role)
      const waiting = connection.receive()
      const duplex = connection.toDuplex()
      duplex.resume()
      const [error] = await once(duplex, 'error')
      expect(error).toBeInstanceOf(StateError)
      await expect(waiting).rejects.toThrow(ConnectionClosedError)
    })

    test('makes the peer wait while nobody reads on', async () => {
      const pair = connectedPair({
        clock: new FakeClock(),
        [role]: { maxStreamSize: Number.POSITIVE_INFINITY },
      })
      const duplex = pair[role].toDuplex()
      const { source, given } = countedSource(pattern(10_000), 1000)
      const sending = (async () => {
        await pair[other].send(source, { compress: false })
        await pair[other].close()
      })()
      await once(duplex, 'readable')
      for (let turn = 0; turn < 20; turn++) await settle()
      const before = given()
      expect(before).toBeLessThan(60)
      for (let turn = 0; turn < 20; turn++) await settle()
      expect(given()).toBe(before)
      let taken = 0
      for await (const chunk of duplex) taken += chunk.length
      await sending
      expect(taken).toBe(10_000_000)
    })
  })

  describe('writing', () => {
    test('makes a binary message of each write', async () => {
      const pair = connectedPair()
      const messages = receiveMany(pair[other], 3)
      const duplex = pair[role].toDuplex()
      duplex.write('grüße')
      duplex.write(pattern(3))
      duplex.write('6869', 'hex')
      expect(await messages).toEqual([utf8('grüße'), pattern(3), utf8('hi')])
    })

    test('waits while the peer does not read', async () => {
      const { connection, peer } = connectRaw(role, { sendHighWaterMark: 1000 })
      await settle()
      peer.pause()
      const duplex = connection.toDuplex()
      const written = vi.fn()
      duplex.write(pattern(2000), written)
      let isWanted = true
      for (let count = 0; isWanted; count++) {
        expect(count).toBeLessThan(1000)
        isWanted = duplex.write(pattern(1000))
      }
      await settle()
      expect(written).not.toHaveBeenCalled()
      expect(connection.bufferedAmount).toBeLessThan(3000)
      peer.resume()
      await once(duplex, 'drain')
      expect(written).toHaveBeenCalledOnce()
    })

    test('ends with a close with 1000, behind what was written', async () => {
      const pair = connectedPair()
      const messages = receiveAll(pair[other])
      const duplex = pair[role].toDuplex()
      duplex.resume()
      duplex.write('one')
      duplex.end('two')
      await finished(duplex)
      expect(pair[role].state).toBe('closed')
      expect(await messages).toEqual([utf8('one'), utf8('two')])
      expect(await pair[other].closed).toMatchObject({ code: 1000, clean: true, initiator: 'remote' })
    })

    test('errors when the connection has ended', async () => {
      const pair = connectedPair()
      const duplex = pair[role].toDuplex()
      pair[role].terminate()
      await pair[role].closed
      const failed = once(duplex, 'error')
      const error = await new Promise((resolve) => duplex.write('late', resolve))
      expect(error).toBeInstanceOf(ConnectionClosedError)
      expect(await failed).toEqual([error])
    })
  })

  describe('the end', () => {
    test('of one direction is that of the other', async () => {
      const pair = connectedPair()
      const [ours, theirs] = [pair[role].toDuplex(), pair[other].toDuplex()]
      expect([ours.allowHalfOpen, theirs.allowHalfOpen]).toEqual([false, false])
      const received: string[] = []
      theirs.on('data', (chunk) => received.push(String(chunk)))
      ours.resume()
      ours.end('last')
      await Promise.all([once(ours, 'close'), once(theirs, 'close')])
      expect(received).toEqual(['last'])
      expect([ours.readableEnded, ours.writableFinished]).toEqual([true, true])
      expect([theirs.readableEnded, theirs.writableFinished]).toEqual([true, true])
    })

    test('that we begin drops what the peer still sends', async () => {
      const { connection, peer } = connectRaw(role)
      const duplex = connection.toDuplex()
      const bytes = readAll(duplex)
      peer.send(BINARY, 'taken')
      await settle()
      duplex.end()
      await settle()
      peer.send(BINARY, 'dropped')
      peer.close(1000)
      peer.end()
      expect((await bytes).toString()).toBe('taken')
    })

    test('that we begin within a message of the peer is an ordinary one', async () => {
      const { connection, peer } = connectRaw(role)
      const duplex = connection.toDuplex()
      const bytes = readAll(duplex)
      peer.send(0x02, 'half')
      await settle()
      duplex.end()
      await settle()
      peer.send(0x80, ' and half')
      peer.close(1000)
      peer.end()
      expect((await bytes).toString()).toBe('half')
    })

    test('comes although nobody reads, once the peer closed', async () => {
      const { connection, peer } = connectRaw(role)
      const duplex = connection.toDuplex()
      peer.send(TEXT, 'one')
      peer.close(1000)
      peer.end()
      expect(await connection.closed).toMatchObject({ code: 1000 })
      // And what came is still there for who reads late.
      expect((await readAll(duplex)).toString()).toBe('one')
    })

    test.each<[string, (pair: ReturnType<typeof connectedPair>) => unknown, number]>([
      ['another close', (pair) => pair[other].close(1011), 1011],
      ['terminate() of the peer', (pair) => pair[other].terminate(), 1006],
      ['a line that was cut', (pair) => pair.cut(), 1006],
    ])('by %s is an error, behind what came', async (_how, end, code) => {
      const pair = connectedPair()
      const duplex = pair[role].toDuplex()
      const chunks: unknown[] = []
      duplex.on('data', (chunk) => chunks.push(chunk.toString()))
      void pair[other].send('one')
      await settle()
      void end(pair)
      const [error] = await once(duplex, 'error')
      expect(error).toMatchObject({ name: 'ConnectionClosedError', info: { code } })
      expect(chunks).toEqual(['one'])
      expect(duplex.destroyed).toBe(true)
    })

    test('within a message is an error where it is no ordinary one', async () => {
      const { connection, peer } = connectRaw(role)
      const bytes = readAll(connection.toDuplex())
      peer.send(0x02, 'half')
      peer.cut(new Error('cut'))
      await expect(bytes).rejects.toMatchObject({ info: { code: 1006 } })
    })

    test('within a message is an error also after an ordinary close: bytes are missing', async () => {
      const { connection, peer } = connectRaw(role)
      const bytes = readAll(connection.toDuplex())
      peer.send(0x02, 'half')
      peer.close(1000)
      peer.end()
      await expect(bytes).rejects.toMatchObject({ info: { code: 1000 } })
    })
  })

  describe('destroy', () => {
    test('closes with 1000', async () => {
      const pair = connectedPair()
      const duplex = pair[role].toDuplex()
      duplex.destroy()
      await once(duplex, 'close')
      expect(await pair[other].closed).toMatchObject({ code: 1000, clean: true })
    })

    test('with an error drops the line', async () => {
      const pair = connectedPair()
      const duplex = pair[role].toDuplex()
      const error = new Error('enough')
      duplex.destroy(error)
      expect(await once(duplex, 'error')).toEqual([error])
      expect(await pair[other].closed).toMatchObject({ code: 1006, clean: false })
    })

    test('while a read is under way harms nobody', async () => {
      const pair = connectedPair()
      const duplex = pair[role].toDuplex()
      duplex.resume()
      await settle()
      duplex.destroy()
      await pair[role].closed
      await settle()
      expect(await pair[other].closed).toMatchObject({ code: 1000 })
    })

    test('while much waits to be read harms nobody', async () => {
      const pair = connectedPair({ [role]: { maxStreamSize: Number.POSITIVE_INFINITY } })
      const duplex = pair[role].toDuplex()
      const { source } = countedSource(pattern(10_000), 1000)
      const sending = pair[other].send(source, { compress: false })
      await once(duplex, 'readable')
      await settle()
      duplex.destroy()
      await expect(sending).rejects.toThrow(ConnectionClosedError)
      expect(await pair[other].closed).toMatchObject({ code: 1000, clean: true })
    })

    test('while a write waits for the peer ends it', async () => {
      const { connection, peer } = connectRaw(role, { sendHighWaterMark: 1000 })
      await settle()
      peer.pause()
      const duplex = connection.toDuplex()
      duplex.write(pattern(2000))
      await settle()
      duplex.destroy(new Error('enough'))
      await once(duplex, 'error')
      expect(await connection.closed).toMatchObject({ code: 1006, initiator: 'local' })
    })
  })

  describe('pipeline', () => {
    test('carries bytes from end to end', async () => {
      const pair = connectedPair({ chunkSize: 10_000 })
      const bytes = pattern(500_000)
      const chunks: Buffer[] = []
      const sink = new Writable({
        highWaterMark: 1,
        write(chunk, _encoding, callback) {
          chunks.push(chunk)
          setImmediate(callback)
        },
      })
      await Promise.all([
        pipeline(Readable.from([bytes.subarray(0, 1000), bytes.subarray(1000)]), pair[role].toDuplex()),
        pipeline(pair[other].toDuplex(), sink),
      ])
      expect(isSame(Buffer.concat(chunks), bytes)).toBe(true)
      expect(await pair[role].closed).toMatchObject({ code: 1000, clean: true })
    })

    test('echoes', async () => {
      const pair = connectedPair()
      const theirs = pair[other].toDuplex()
      const echoing = pipeline(theirs, new PassThrough(), theirs)
      const messages = receiveMany(pair[role], 2)
      await pair[role].send('one')
      await pair[role].send('two')
      const text = (await messages).map((message) => Buffer.from(message as Uint8Array).toString()).join('')
      expect(text).toBe('onetwo')
      await pair[role].close()
      await echoing
    })

    test('drops the line when its source fails', async () => {
      const pair = connectedPair()
      const error = new Error('no more')
      const source = new Readable({ read: () => {} })
      source.push('one')
      const piping = pipeline(source, pair[role].toDuplex())
      expect(await pair[other].receive()).toEqual(utf8('one'))
      source.destroy(error)
      await expect(piping).rejects.toBe(error)
      expect(await pair[other].closed).toMatchObject({ code: 1006, clean: false })
    })

    test('drops the line when its sink fails', async () => {
      const pair = connectedPair()
      const error = new Error('full')
      const sink = new Writable({ write: (_chunk, _encoding, callback) => callback(error) })
      const piping = pipeline(pair[role].toDuplex(), sink)
      void pair[other].send('one')
      await expect(piping).rejects.toBe(error)
      expect(await pair[other].closed).toMatchObject({ code: 1006, clean: false })
    })

    test('fails when the peer goes away', async () => {
      const pair = connectedPair()
      const { source } = countedSource(pattern(1000), Number.POSITIVE_INFINITY)
      const piping = pipeline(source, pair[role].toDuplex())
      await pair[other].receive()
      pair[other].terminate()
      await expect(piping).rejects.toThrow()
      expect(source.destroyed).toBe(true)
    })
  })

  test('belongs to the handler when there is one', () => {
    const { connection } = connectRaw(role, { handler: {} })
    expect(() => connection.toDuplex()).toThrow(new StateError('WS_RECEIVE_WITH_HANDLER'))
  })

  test('reads what came in one read with the end', async () => {
    const { connection, peer } = connectRaw(role)
    const bytes = pattern(300_000)
    const read = readAll(connection.toDuplex())
    await settle()
    peer.write(frameTo(role, BINARY, bytes), frameTo(role, TEXT, 'last'))
    peer.close(1000)
    peer.end()
    expect(isSame(await read, concat(bytes, utf8('last')))).toBe(true)
  })
})

test('asks nothing of a connection but to send, to receive and to end', async () => {
  const log: unknown[] = []
  const duplex = connectionDuplex({
    async *receiveStream() {
      if (log.includes('end')) throw new Error('received after the end')
      log.push('end')
      yield new Uint8Array(0)
      yield 'one'
    },
    send: async (message) => void log.push(message.length),
    close: async () => log.push('close'),
    terminate: () => log.push('terminate'),
  })
  duplex.write('three')
  await expect(readAll(duplex)).rejects.toThrow('received after the end')
  expect(log).toEqual([5, 'end', 'terminate'])
})

describe('over TCP', () => {
  const servers: Server[] = []

  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close({ timeout: 1 })
  })

  test.each([
    [64 * 1024 * 1024, false],
    [16 * 1024 * 1024, true],
  ])('carries %d bytes each way with little memory, compressed: %s', async (size, compression) => {
    const chunk = pattern(256 * 1024)
    const count = size / chunk.length
    const accepted: Duplex[] = []
    const connections: Connection[] = []
    const server = await serve(
      async (connection) => {
        connections.push(connection)
        accepted.push(connection.toDuplex())
        await connection.closed
      },
      { host: '127.0.0.1', compression },
    )
    servers.push(server)
    const client = await connect(server.url)
    await until(() => accepted.length === 1)
    connections.push(client)
    const ends = [accepted[0]!, client.toDuplex()]
    let most = 0
    const carry = async (from: Duplex, to: Duplex): Promise<boolean> => {
      const { source, given } = countedSource(chunk, count)
      const writing = pipeline(source, from, { end: false })
      let taken = 0
      let isRight = true
      for await (const part of to.iterator({ destroyOnReturn: false })) {
        const offset = taken % chunk.length
        const end = Math.min(offset + part.length, chunk.length)
        isRight &&= isSame(part.subarray(0, end - offset), chunk.subarray(offset, end))
        taken += part.length
        const buffered = Math.max(...connections.map(({ bufferedAmount }) => bufferedAmount))
        most = Math.max(most, buffered, given() * chunk.length - taken)
        if (taken === size) break
      }
      await writing
      return isRight
    }
    expect(await Promise.all([carry(ends[0]!, ends[1]!), carry(ends[1]!, ends[0]!)])).toEqual([true, true])
    // What lies in buffers of the system counts too.
    expect(most).toBeLessThan(24 * 1024 * 1024)
    for (const end of ends) end.resume()
    ends[1]!.end()
    await Promise.all(ends.map((end) => once(end, 'close')))
    expect(await client.closed).toMatchObject({ code: 1000, clean: true })
  })
})
