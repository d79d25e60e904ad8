import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectPlain, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Kernel } from '../../src/protocol/kernel.ts'
import type { SocketTransport as SocketTransportType } from '../../src/transport/socket-transport.ts'
import { describeTransport, expectSame, marked, put, Recorder, turns } from '../contract/transport.ts'
import { tlsCertificate, tlsKey } from '../support/tls.ts'

const NO_HEAD = new Uint8Array(0)
/** More than the system keeps for a peer that does not read. */
const many = marked(16 * 1024 * 1024)

type Kind = 'tcp' | 'unix' | 'tls'

/** With all that this runtime's sockets can do, and as where they can do nothing of it. */
const modes = [
  { name: 'with all fast ways', isFast: true },
  { name: 'with none of the fast ways', isFast: false },
]

/** Two sockets that are connected, the first of which was accepted. */
interface Sockets {
  readonly accepted: Socket
  readonly dialled: Socket
}

interface SocketOptions {
  readonly dialledAllowsHalfOpen?: boolean
  readonly highWaterMark?: number
  /** Let the accepted socket read before a transport takes it, as those of HTTP servers do. */
  readonly reads?: boolean
}

const directory = mkdtempSync(join(tmpdir(), 'openline-'))
const servers: Server[] = []
const sockets: Socket[] = []
let unixSockets = 0

async function connectSockets(kind: Kind, options: SocketOptions = {}): Promise<Sockets> {
  const { dialledAllowsHalfOpen = true, highWaterMark, reads = false } = options
  const common = {
    allowHalfOpen: true,
    // Before a transport takes the socket, nothing must be read.
    pauseOnConnect: kind !== 'tls' && !reads,
    ...(highWaterMark === undefined ? {} : { highWaterMark }),
  }
  const server =
    kind === 'tls' ? createTlsServer({ ...common, key: tlsKey, cert: tlsCertificate }) : createServer(common)
  servers.push(server)
  const path = join(directory, `${++unixSockets}.sock`)
  if (kind === 'unix') server.listen(path)
  else server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const connected = once(server, kind === 'tls' ? 'secureConnection' : 'connection')
  const dialled = dial(kind, server, path, dialledAllowsHalfOpen)
  sockets.push(dialled)
  const [[accepted]] = (await Promise.all([
    connected,
    once(dialled, kind === 'tls' ? 'secureConnect' : 'connect'),
  ])) as unknown as [[Socket], unknown]
  sockets.push(accepted)
  return { accepted, dialled }
}

function dial(kind: Kind, server: Server, path: string, allowHalfOpen: boolean): Socket {
  if (kind === 'unix') return connectPlain({ path, allowHalfOpen })
  const { port } = server.address() as { port: number }
  if (kind === 'tcp') return connectPlain({ host: '127.0.0.1', port, allowHalfOpen })
  return connectTls({
    host: '127.0.0.1',
    port,
    allowHalfOpen,
    ca: tlsCertificate,
    servername: 'localhost',
  } as never)
}

async function cleanUp(): Promise<void> {
  for (const socket of sockets.splice(0)) {
    socket.on('error', () => {})
    socket.destroy()
  }
  for (const server of servers.splice(0)) {
    server.close()
    await once(server, 'close')
  }
}

afterEach(cleanUp)
afterAll(() => rmSync(directory, { recursive: true }))

/** A duplex pair that knows nothing of sockets. */
function duplexPair(): [Duplex, Duplex] {
  class Half extends Duplex {
    peer!: Half
    #callback: (() => void) | undefined

    override _read(): void {
      const callback = this.#callback
      this.#callback = undefined
      callback?.()
    }

    override _write(chunk: Buffer, _: string, callback: () => void): void {
      if (this.peer.destroyed) return
      if (chunk.length === 0) {
        process.nextTick(callback)
        return
      }
      // A stream keeps what it is given; so must the one that gives it.
      if (this.peer.push(Buffer.from(chunk))) process.nextTick(callback)
      else this.peer.#callback = callback
    }

    override _final(callback: () => void): void {
      this.peer.push(null)
      callback()
    }

    override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
      if (!this.peer.destroyed) process.nextTick(() => this.peer.destroy())
      callback(error)
    }
  }
  const one = new Half()
  const other = new Half()
  one.peer = other
  other.peer = one
  return [one, other]
}

/** Tell who listens to what a transport listens to. */
function listenersOf(socket: Socket): string {
  return ['error', 'close', 'end', 'drain', 'data', 'readable']
    .map((event) => `${event} ${socket.listenerCount(event)}`)
    .join(', ')
}

/** Count what a socket is asked to write to the system, by its stream or past it. */
function countWrites(socket: Socket): () => number {
  type Handle = Record<'writeBuffer' | 'writev', () => number>
  const handle = (socket as unknown as { _handle: Handle })._handle
  const spies = [vi.spyOn(handle, 'writeBuffer'), vi.spyOn(handle, 'writev')]
  return () => spies.reduce((sum, { mock }) => sum + mock.calls.length, 0)
}

for (const { name, isFast } of modes) {
  describe(name, () => {
    let SocketTransport: typeof SocketTransportType
    let kernel: Kernel

    // What is read at load is read anew: this file's modules are loaded once for each mode.
    beforeAll(async () => {
      vi.resetModules()
      vi.stubEnv('OPENLINE_SHARED_READ', isFast ? '' : 'off')
      vi.stubEnv('OPENLINE_DIRECT_WRITE', isFast ? '' : 'off')
      const { trySharedRead } = await import('../../src/transport/shared-read.ts')
      const { tryDirectWrite } = await import('../../src/transport/direct-write.ts')
      const { prepareSockets, ...module } = await import('../../src/transport/socket-transport.ts')
      await prepareSockets()
      expect(await trySharedRead()).toBe(isFast)
      expect(await tryDirectWrite()).toBe(isFast)
      SocketTransport = module.SocketTransport
      kernel = (await import('../../src/kernel/engine.ts')).engine.kernel
    })
    afterAll(() => {
      vi.unstubAllEnvs()
      vi.resetModules()
    })

    function transportOf(socket: Duplex, head: Uint8Array = NO_HEAD): SocketTransportType {
      return new SocketTransport(socket, head, kernel)
    }

    /** Begin to read and write down. */
    function start(transport: SocketTransportType): Recorder {
      const recorder = new Recorder(kernel)
      transport.start(recorder)
      return recorder
    }

    const subject = { kernel: () => kernel, cleanUp }

    for (const kind of ['tcp', 'unix', 'tls'] as const) {
      describeTransport(`SocketTransport over ${kind}`, {
        ...subject,
        connect: async () => {
          const { accepted, dialled } = await connectSockets(kind)
          return { one: transportOf(accepted), other: transportOf(dialled) }
        },
        // TLS gives what it had decrypted.
        deliveredAfterPause: kind === 'tls' ? 64 * 1024 : 0,
        hasNoAddresses: kind === 'unix',
      })
    }

    describeTransport('SocketTransport over a duplex stream', {
      ...subject,
      connect: async () => {
        const [one, other] = duplexPair()
        return { one: transportOf(one), other: transportOf(other) }
      },
      deliveredAfterPause: 0,
      hasNoAddresses: true,
    })

    describe.each(['tcp', 'unix', 'tls'] as const)('SocketTransport over %s', (kind) => {
      /** Reads into the memory of the kernel, and writes past the stream. */
      const isDirect = isFast && kind !== 'tls'

      /** Connect a writer to a reader that does not read. */
      async function connectStalled(): Promise<{
        accepted: Socket
        writer: SocketTransportType
        reader: SocketTransportType
        here: Recorder
        there: Recorder
      }> {
        const { accepted, dialled } = await connectSockets(kind)
        const writer = transportOf(accepted)
        const reader = transportOf(dialled)
        const here = start(writer)
        const there = start(reader)
        reader.pause()
        await turns()
        return { accepted, writer, reader, here, there }
      }

      test('delivers the head first, then what the stream had read already', async () => {
        const { accepted, dialled } = await connectSockets(kind)
        // A stream that was read from, as that of an HTTP request was, holds bytes of its own.
        const readable = once(accepted, 'readable')
        dialled.write('from the stream ')
        await readable
        accepted.removeAllListeners('readable')
        const transport = transportOf(accepted, Buffer.from('head '))
        const recorder = start(transport)
        expect(recorder.bytes.toString()).toBe('head from the stream ')
        dialled.write('and from the line')
        await recorder.untilSize(38)
        expect(recorder.bytes.toString()).toBe('head from the stream and from the line')
      })

      if (isFast)
        describe('peeks', () => {
          interface Peeking extends Sockets {
            readonly transport: SocketTransportType
            readonly first: Recorder
            /** What listens to the accepted socket without any transport. */
            readonly listeners: string
          }

          async function peek(): Promise<Peeking> {
            const { accepted, dialled } = await connectSockets(kind, { reads: true })
            const listeners = listenersOf(accepted)
            const transport = transportOf(accepted)
            const first = new Recorder(kernel)
            expect(transport.peek(first)).toBe(true)
            return { accepted, dialled, transport, first, listeners }
          }

          test('and tells of what comes first, of the end and of the close', async () => {
            const { dialled, transport, first } = await peek()
            dialled.write('hello')
            await first.untilSize(5)
            expect([first.bytes.toString(), first.reads]).toEqual(['hello', kind === 'tls' ? 0 : 1])
            dialled.end()
            await first.untilEvent('end')
            transport.destroy()
            await first.untilEvent('closed')
            expect(first.events).toEqual(['end', 'closed'])
          })

          test('and tells of a reset', async () => {
            const { dialled, first } = await peek()
            if (kind === 'tcp') dialled.resetAndDestroy()
            else dialled.destroy()
            await first.untilEvent(kind === 'tcp' ? 'closed' : 'end')
            if (kind === 'tcp') expect(first.error).toMatchObject({ code: 'ECONNRESET' })
          })

          test('and starts with what it was told to deliver again, then with what comes', async () => {
            const { accepted, dialled, transport, first } = await peek()
            const recorder = new Recorder(kernel)
            first.reaction = (bytes) => {
              transport.unread(bytes.subarray(4))
              transport.start(recorder)
            }
            dialled.write('headrest ')
            await recorder.untilSize(5)
            expect(recorder.bytes.toString()).toBe('rest ')
            dialled.end('and more')
            await recorder.untilEvent('end')
            expect(recorder.bytes.toString()).toBe('rest and more')
            expect(recorder.reads).toBe(kind === 'tls' ? 0 : 1)
            expect([first.size, first.events]).toEqual([9, []])
            accepted.destroy()
            await recorder.untilEvent('closed')
            // Each is told once.
            expect(recorder.events).toEqual(['end', 'closed'])
          })

          test('and starts with nothing to deliver again', async () => {
            const { dialled, transport, first } = await peek()
            const recorder = new Recorder(kernel)
            first.reaction = () => transport.start(recorder)
            const whole = marked(1024 * 1024)
            dialled.write('head')
            await first.untilSize(4)
            dialled.write(whole)
            await recorder.untilSize(whole.length)
            expectSame(recorder.bytes, whole)
          })

          test('and writes once it has started', async () => {
            const { dialled, transport, first } = await peek()
            const peer = start(transportOf(dialled))
            first.reaction = () => {
              put(transport, 'answer')
              transport.start(new Recorder(kernel))
            }
            dialled.write('head')
            await peer.untilSize(6)
            expect(peer.bytes.toString()).toBe('answer')
          })

          test('and stays paused when what is delivered again led to a pause', async () => {
            const { dialled, transport, first } = await peek()
            const recorder = new Recorder(kernel)
            recorder.reaction = () => {
              recorder.reaction = undefined
              transport.pause()
            }
            first.reaction = (bytes) => {
              transport.unread(bytes)
              transport.start(recorder)
            }
            dialled.write('head')
            await recorder.untilSize(4)
            dialled.write(marked(1024 * 1024))
            await turns()
            expect(recorder.size).toBeLessThanOrEqual(4 + (kind === 'tls' ? 64 * 1024 : 0))
            transport.resume()
            await recorder.untilSize(4 + 1024 * 1024)
            expectSame(recorder.bytes.subarray(4), marked(1024 * 1024))
          })

          test('and starts on a socket that is gone', async () => {
            const { accepted, transport, first } = await peek()
            const recorder = new Recorder(kernel)
            accepted.destroy()
            transport.start(recorder)
            await recorder.untilEvent('closed')
            expect([first.events, recorder.events]).toEqual([[], ['closed']])
          })

          test('and rewinds: what comes is in the stream, and what is unread waits for the start', async () => {
            const { accepted, dialled, transport, first } = await peek()
            first.reaction = (bytes) => {
              transport.unread(Buffer.from(bytes.subarray(4)))
              transport.rewind()
            }
            dialled.write('headrest ')
            await first.untilSize(9)
            expect(accepted.readableLength).toBe(0)
            dialled.write('from the stream ')
            await new Promise<void>((resolve) => {
              accepted.on('readable', () => {
                if (accepted.readableLength === 16) resolve()
              })
            })
            accepted.removeAllListeners('readable')
            const recorder = start(transport)
            expect(recorder.bytes.toString()).toBe('rest from the stream ')
            dialled.end('and from the line')
            await recorder.untilEvent('end')
            expect(recorder.bytes.toString()).toBe('rest from the stream and from the line')
            expect(recorder.events).toEqual(['end'])
            expect([first.size, first.events]).toEqual([9, []])
          })

          test('and rewinds where much comes before the start', async () => {
            const { accepted, dialled, transport, first } = await peek()
            const whole = marked(4 * 1024 * 1024)
            const readable = once(accepted, 'readable')
            first.reaction = (bytes) => {
              transport.unread(Buffer.from(bytes))
              transport.rewind()
            }
            dialled.write(whole)
            await readable
            await turns()
            const recorder = start(transport)
            await recorder.untilSize(whole.length)
            expectSame(recorder.bytes, whole)
          })

          test('and rewinds: the end shows, although something is unread', async () => {
            const { accepted, dialled, transport, first } = await peek()
            dialled.write('head')
            await first.untilSize(4)
            transport.unread(Buffer.from('rest'))
            transport.rewind()
            transport.rewind()
            const ended = once(accepted, 'end')
            accepted.resume()
            dialled.end()
            await ended
            expect(first.events).toEqual([])
          })

          test('and is released: nobody of ours listens, and the bytes are in the stream', async () => {
            const { accepted, dialled, transport, first, listeners } = await peek()
            expect(listenersOf(accepted)).not.toBe(listeners)
            first.reaction = (bytes) => {
              transport.unread(Buffer.from(bytes))
              transport.release()
            }
            dialled.write('head ')
            await first.untilSize(5)
            expect(listenersOf(accepted)).toBe(listeners)
            expect(Object.getOwnPropertySymbols(accepted).map(String)).not.toContain(
              'Symbol(openline.transport)',
            )
            let text = ''
            accepted.on('data', (chunk) => {
              text += chunk
            })
            dialled.end('and more')
            await once(accepted, 'end')
            expect(text).toBe('head and more')
            accepted.on('error', () => {})
            const closed = new Promise((resolve) => accepted.once('close', resolve))
            accepted.destroy(new Error('nothing to us'))
            await closed
            expect(first.events).toEqual([])
          })

          test('and is released before anything came', async () => {
            const { accepted, dialled, transport, first, listeners } = await peek()
            transport.release()
            expect(listenersOf(accepted)).toBe(listeners)
            dialled.write('hello')
            const [chunk] = await once(accepted, 'data')
            expect([String(chunk), first.size]).toEqual(['hello', 0])
          })

          test('and can be taken by another transport once it is released', async () => {
            const { accepted, dialled, transport, first } = await peek()
            dialled.write('head')
            await first.untilSize(4)
            transport.release()
            const recorder = start(transportOf(accepted, Buffer.from('rest ')))
            dialled.end('and more')
            await recorder.untilEvent('end')
            expect(recorder.bytes.toString()).toBe('rest and more')
            expect(recorder.reads).toBe(kind === 'tls' ? 0 : 1)
          })
        })

      test('does not peek where bytes lie in the stream, which keeps them', async () => {
        const { accepted, dialled } = await connectSockets(kind, { reads: true })
        const readable = once(accepted, 'readable')
        dialled.write('from the stream')
        await readable
        accepted.removeAllListeners('readable')
        const transport = transportOf(accepted)
        const first = new Recorder(kernel)
        expect(transport.peek(first)).toBe(false)
        transport.release()
        expect(accepted.read()?.toString()).toBe('from the stream')
        expect([first.size, first.events]).toEqual([0, []])
      })

      test('does not peek where the socket is destroyed', async () => {
        const { accepted } = await connectSockets(kind, { reads: true })
        accepted.destroy()
        expect(transportOf(accepted).peek(new Recorder(kernel))).toBe(false)
      })

      if (!isFast)
        test('does not peek, and is released as it was', async () => {
          const { accepted, dialled } = await connectSockets(kind, { reads: true })
          const listeners = listenersOf(accepted)
          const transport = transportOf(accepted)
          expect(transport.peek(new Recorder(kernel))).toBe(false)
          transport.release()
          expect(listenersOf(accepted)).toBe(listeners)
          dialled.write('hello')
          const [chunk] = await once(accepted, 'data')
          expect(String(chunk)).toBe('hello')
        })

      test('keeps its head when there is nothing to rewind', async () => {
        const { accepted } = await connectSockets(kind)
        const transport = transportOf(accepted, Buffer.from('head'))
        transport.rewind()
        expect(start(transport).bytes.toString()).toBe('head')
      })

      test(`reads ${isDirect ? 'into the memory of the kernel' : 'as data'}`, async () => {
        const { accepted, dialled } = await connectSockets(kind)
        const recorder = start(transportOf(accepted))
        dialled.write('hello')
        await recorder.untilSize(5)
        expect(recorder.reads).toBe(isDirect ? 1 : 0)
      })

      test('stays paused when the head led to a pause', async () => {
        const { accepted, dialled } = await connectSockets(kind)
        const transport = transportOf(accepted, Buffer.from('head'))
        const recorder = new Recorder(kernel)
        recorder.reaction = () => {
          recorder.reaction = undefined
          transport.pause()
        }
        transport.start(recorder)
        dialled.write(marked(1024 * 1024))
        await turns()
        expect(recorder.size).toBeLessThanOrEqual(4 + (kind === 'tls' ? 64 * 1024 : 0))
        transport.resume()
        await recorder.untilSize(4 + 1024 * 1024)
        expectSame(recorder.bytes.subarray(4), marked(1024 * 1024))
      })

      test('takes a destroy while the head is delivered', async () => {
        const { accepted } = await connectSockets(kind)
        const transport = transportOf(accepted, Buffer.from('head'))
        const recorder = new Recorder(kernel)
        recorder.reaction = () => transport.destroy()
        transport.start(recorder)
        await recorder.untilEvent('closed')
        expect(recorder.events).toEqual(['closed'])
      })

      test('writes to the socket once a turn', async () => {
        const { accepted, dialled } = await connectSockets(kind)
        const transport = transportOf(accepted)
        start(transport)
        const peer = start(transportOf(dialled))
        const writes = countWrites(accepted)
        for (let index = 0; index < 100; index++) put(transport, `message ${index} `)
        await Promise.resolve()
        put(transport, 'from a coroutine')
        await peer.until(() => peer.bytes.toString().endsWith('coroutine'))
        expect(writes()).toBe(1)
      })

      test('writes once for all that one read brought', async () => {
        const { accepted, dialled } = await connectSockets(kind)
        const transport = transportOf(accepted)
        const recorder = new Recorder(kernel)
        recorder.reaction = (bytes) => {
          for (const byte of bytes) put(transport, Uint8Array.of(byte))
        }
        transport.start(recorder)
        const peer = start(transportOf(dialled))
        const writes = countWrites(accepted)
        dialled.write(marked(1000))
        await peer.untilSize(1000)
        expect(writes()).toBe(recorder.chunks.length)
        expectSame(peer.bytes, marked(1000))
      })

      test('writes what one read brought before that read returns', async () => {
        const { accepted, dialled } = await connectSockets(kind)
        const transport = transportOf(accepted)
        const recorder = start(transport)
        const writes = countWrites(accepted)
        const seen: number[] = []
        recorder.reaction = (bytes) => {
          put(transport, bytes)
          seen.push(writes())
          // The first thing that can come after the read.
          process.nextTick(() => seen.push(writes()))
        }
        dialled.write('hello')
        const peer = start(transportOf(dialled))
        await peer.untilSize(5)
        expect(seen).toEqual([0, 1])
      })

      test(`writes ${isDirect ? 'past the stream' : 'by the stream'}`, async () => {
        const { accepted, dialled } = await connectSockets(kind)
        const transport = transportOf(accepted)
        start(transport)
        const peer = start(transportOf(dialled))
        const write = vi.spyOn(accepted, 'write')
        put(transport, 'one ')
        transport.flush()
        put(transport, 'two ')
        transport.appendByReference(Buffer.from('three'))
        await peer.untilSize(13)
        expect(peer.bytes.toString()).toBe('one two three')
        expect(write).toHaveBeenCalledTimes(isDirect ? 0 : 3)
      })

      test('is backed up while one write is pending, and reports once that all of it was taken', async () => {
        const { writer, reader, here, there } = await connectStalled()
        writer.appendByReference(many)
        expect(writer.bufferedAmount).toBeGreaterThan(0)
        expect(writer.bufferedAmount).toBeLessThanOrEqual(many.length)
        expect(writer.isBackedUp).toBe(true)
        expect(writer.holdsReference).toBe(true)
        writer.notifyDrain()
        await turns()
        expect(here.drains).toBe(0)
        expect(writer.isBackedUp).toBe(true)
        const drained = here.untilDrain()
        reader.resume()
        await drained
        expect(writer.bufferedAmount).toBe(0)
        expect(writer.isBackedUp).toBe(false)
        expect(writer.holdsReference).toBe(false)
        await there.untilSize(many.length)
        await turns()
        expect(here.drains).toBe(1)
        expectSame(there.bytes, many)
      })

      test('reports a drain when that has left too which was written behind a pending write', async () => {
        const { writer, reader, here, there } = await connectStalled()
        writer.appendByReference(many)
        const { bufferedAmount } = writer
        put(writer, 'and this')
        expect(writer.bufferedAmount).toBe(bufferedAmount + 8)
        writer.flush()
        expect(writer.bufferedAmount).toBe(bufferedAmount + 8)
        writer.notifyDrain()
        const drained = here.untilDrain()
        reader.resume()
        await drained
        expect(writer.bufferedAmount).toBe(0)
        await there.untilSize(many.length + 8)
        await turns()
        expect(here.drains).toBe(1)
      })

      test('holds a payload by reference until it was taken', async () => {
        const { accepted, dialled } = await connectSockets(kind)
        const transport = transportOf(accepted)
        start(transport)
        const peer = start(transportOf(dialled))
        put(transport, 'a frame')
        transport.flush()
        expect(transport.holdsReference).toBe(false)
        transport.appendByReference(marked(1000))
        // TLS keeps it to encrypt it; other sockets took it at once.
        expect(transport.holdsReference).toBe(kind === 'tls')
        await peer.untilSize(1007)
        await turns()
        expect(transport.holdsReference).toBe(false)
      })

      test('keeps the order of what is taken at once, what is pending, and what comes behind it', async () => {
        const { accepted, writer, reader, here, there } = await connectStalled()
        const atOnce = marked(10, 1)
        const behind = marked(10, 2)
        const referenced = marked(100_000, 3)
        const large = marked(70_000, 4)
        const last = marked(10, 5)
        put(writer, atOnce)
        writer.flush()
        writer.appendByReference(many)
        expect(writer.isBackedUp).toBe(true)
        put(writer, behind)
        writer.appendByReference(referenced)
        put(writer, large)
        const drained = here.untilDrain()
        writer.notifyDrain()
        await turns()
        reader.resume()
        await drained
        await turns()
        // The stream has nothing left to write: its turn is over.
        const write = vi.spyOn(accepted, 'write')
        put(writer, last)
        writer.flush()
        expect(write).toHaveBeenCalledTimes(isDirect ? 0 : 1)
        const whole = Buffer.concat([atOnce, many, behind, referenced, large, last])
        await there.untilSize(whole.length)
        expectSame(there.bytes, whole)
      })

      test('writes frames that others send too as one, behind what came before', async () => {
        const { accepted, dialled } = await connectSockets(kind)
        const transport = transportOf(accepted)
        start(transport)
        const peer = start(transportOf(dialled))
        const writes = countWrites(accepted)
        for (const text of ['one ', 'two ', 'three ']) transport.appendShared(Buffer.from(text))
        expect(transport.bufferedAmount).toBe(14)
        await turns(1)
        expect(writes()).toBe(1)
        put(transport, 'four ')
        transport.appendShared(Buffer.from('five '))
        await turns(1)
        expect(writes()).toBe(2)
        transport.appendShared(Buffer.from('six '))
        put(transport, 'seven')
        await peer.untilSize(33)
        expect(peer.bytes.toString()).toBe('one two three four five six seven')
      })

      test('carries frames that others send too to a peer that does not read, and to one that does', async () => {
        const stalled = await connectStalled()
        const other = await connectStalled()
        other.reader.resume()
        const frames = [0, 1, 2, 3].map((mark) => marked(30_000 + mark, mark))
        frames.push(many.subarray(0, 1024 * 1024))
        let rounds = 0
        while (rounds < 16 || !stalled.writer.isBackedUp) {
          rounds++
          for (const frame of frames) {
            stalled.writer.appendShared(frame)
            other.writer.appendShared(frame)
          }
          await turns(1)
        }
        const whole = Buffer.concat(Array.from({ length: rounds }, () => frames).flat())
        stalled.reader.resume()
        for (const { there } of [stalled, other]) {
          await there.untilSize(whole.length)
          expectSame(there.bytes, whole)
        }
      })

      test.each([0, 10])(
        'delivers all of a pending write before the end, and %d bytes behind it',
        async (size) => {
          const { writer, reader, here, there } = await connectStalled()
          writer.appendByReference(many)
          put(writer, marked(size, 1))
          writer.end()
          expect(writer.bufferedAmount).toBeGreaterThan(0)
          await turns()
          expect(there.events).toEqual([])
          reader.resume()
          await there.untilEvent('end')
          expectSame(there.bytes, Buffer.concat([many, marked(size, 1)]))
          reader.end()
          await here.untilEvent('closed')
          expect(here.error).toBeUndefined()
        },
      )

      test.each([0, 10])('drops a pending write, and %d bytes behind it, with the line', async (size) => {
        const { writer, here } = await connectStalled()
        writer.appendByReference(many)
        put(writer, marked(size, 1))
        writer.flush()
        writer.notifyDrain()
        writer.destroy()
        await here.untilEvent('closed')
        await turns()
        expect(here.events).toEqual(['closed'])
        expect(here.error).toBeUndefined()
        expect(here.drains).toBe(0)
        expect(writer.bufferedAmount).toBe(0)
        expect(writer.isBackedUp).toBe(false)
        expect(writer.holdsReference).toBe(false)
      })

      test('reports the error of a peer that drops the line while a write is pending', async () => {
        const { accepted, dialled } = await connectSockets(kind)
        const writer = transportOf(accepted)
        const here = start(writer)
        writer.appendByReference(many)
        expect(writer.isBackedUp).toBe(true)
        if (kind === 'tcp') dialled.resetAndDestroy()
        else dialled.destroy()
        await here.untilEvent('closed')
        expect(here.events).toEqual(['closed'])
        expect(here.error).toMatchObject({ code: expect.stringMatching(/^(ECONNRESET|EPIPE)$/) })
        expect(here.drains).toBe(0)
        expect(writer.holdsReference).toBe(false)
      })

      test('reports the error of a peer that drops the line also when only the writing notices', async () => {
        const { accepted, dialled } = await connectSockets(kind)
        const writer = transportOf(accepted)
        const here = start(writer)
        writer.pause()
        await turns()
        writer.appendByReference(many)
        expect(writer.isBackedUp).toBe(true)
        if (kind === 'tcp') dialled.resetAndDestroy()
        else dialled.destroy()
        await here.untilEvent('closed')
        expect(here.events).toEqual(['closed'])
        expect(here.error).toMatchObject({ code: expect.stringMatching(/^(ECONNRESET|EPIPE)$/) })
      })

      test('reports the error of a write to a peer that is gone', async () => {
        const { accepted, dialled } = await connectSockets(kind)
        const writer = transportOf(accepted)
        if (kind === 'tcp') dialled.resetAndDestroy()
        else dialled.destroy()
        await once(dialled, 'close')
        const here = start(writer)
        put(writer, 'nobody is there')
        writer.flush()
        put(writer, 'still nobody')
        await here.untilEvent('closed')
        if (kind === 'tcp') expect(here.error).toMatchObject({ code: 'ECONNRESET' })
        if (kind === 'unix') expect(here.error).toMatchObject({ code: 'EPIPE' })
        await turns()
        expect(writer.bufferedAmount).toBe(0)
      })

      test('never mixes the bytes of two peers, however slowly they read', async () => {
        const lines = await Promise.all([0, 1, 2].map(() => connectSockets(kind)))
        const writers = lines.map(({ accepted }) => transportOf(accepted))
        for (const writer of writers) start(writer)
        const readers = lines.map(({ dialled }) => transportOf(dialled))
        const recorders = readers.map(start)
        readers[0]!.pause()
        readers[1]!.pause()
        await turns()
        const sent: Buffer[][] = [[], [], []]
        // Until the buffers of the system are full, however large they are here.
        for (let round = 0; round < 150 || (writers[0]!.bufferedAmount === 0 && round < 3000); round++) {
          for (const [index, writer] of writers.entries()) {
            const bytes = marked(((round * 7919) % 60_000) + 1, index * 50 + (round % 150))
            sent[index]!.push(bytes)
            put(writer, bytes)
          }
          await turns(1)
          if (round === 100) readers[1]!.resume()
        }
        expect(writers[0]!.bufferedAmount).toBeGreaterThan(0)
        readers[0]!.resume()
        for (const [index, recorder] of recorders.entries()) {
          const whole = Buffer.concat(sent[index]!)
          await recorder.untilSize(whole.length)
          expectSame(recorder.bytes, whole)
        }
      })

      test('carries payloads by reference that are taken bit by bit', async () => {
        const { accepted, dialled } = await connectSockets(kind)
        const transport = transportOf(accepted)
        const recorder = start(transport)
        const reader = transportOf(dialled)
        const peer = start(reader)
        reader.pause()
        await turns()
        const sent: Buffer[] = []
        for (let round = 0; round < 30; round++) {
          const head = marked(10, round)
          const payload = marked(300_000, round + 100)
          sent.push(head, payload)
          put(transport, head)
          transport.appendByReference(payload)
        }
        expect(transport.bufferedAmount).toBeGreaterThan(0)
        const drained = recorder.untilDrain()
        transport.notifyDrain()
        reader.resume()
        const whole = Buffer.concat(sent)
        await peer.untilSize(whole.length)
        expectSame(peer.bytes, whole)
        await drained
      })

      test('reports no drain when the line is dropped', async () => {
        // Below such a mark the stream never says that it needs a drain.
        const { accepted, dialled } = await connectSockets(kind, { highWaterMark: 1024 ** 3 })
        const transport = transportOf(accepted)
        const recorder = start(transport)
        const reader = transportOf(dialled)
        start(reader)
        reader.pause()
        await turns()
        for (let count = 0; count < 16 || transport.bufferedAmount === 0; count++) {
          transport.appendByReference(marked(1024 * 1024))
          await turns(1)
        }
        const { drains } = recorder
        transport.notifyDrain()
        await turns(2)
        transport.destroy()
        await recorder.untilEvent('closed')
        expect(recorder.drains).toBe(drains)
      })

      test('reports the error of a socket that broke, once, last', async () => {
        const { accepted } = await connectSockets(kind)
        const recorder = start(transportOf(accepted))
        const error = new Error('it broke')
        accepted.destroy(error)
        await recorder.untilEvent('closed')
        accepted.emit('error', new Error('and again'))
        await turns()
        expect(recorder.events).toEqual(['closed'])
        expect(recorder.error).toBe(error)
      })

      test('survives an error before it was started, and reports it then', async () => {
        const { accepted } = await connectSockets(kind)
        const transport = transportOf(accepted)
        const error = new Error('too early')
        accepted.destroy(error)
        await turns()
        expect(accepted.closed).toBe(true)
        const recorder = start(transport)
        await recorder.untilEvent('closed')
        expect(recorder.error).toBe(error)
      })

      test('reports the error of a socket that had broken before it was taken', async () => {
        const { accepted } = await connectSockets(kind)
        const error = new Error('too early')
        accepted.on('error', () => {})
        accepted.destroy(error)
        await turns()
        const recorder = start(transportOf(accepted))
        await recorder.untilEvent('closed')
        expect(recorder.error).toBe(error)
      })

      test('keeps its place behind what the stream had not written when it took the socket', async () => {
        const { accepted, dialled } = await connectSockets(kind)
        const before = marked(16 * 1024 * 1024)
        accepted.write(before)
        accepted.write('from the stream ')
        const transport = transportOf(accepted)
        start(transport)
        put(transport, 'from the transport')
        transport.flush()
        expect(transport.bufferedAmount).toBeGreaterThan(0)
        const peer = start(transportOf(dialled))
        await peer.untilSize(before.length + 34)
        expect(peer.bytes.subarray(before.length).toString()).toBe('from the stream from the transport')
      })

      test('reports a peer that drops the line', async () => {
        const { accepted, dialled } = await connectSockets(kind)
        const recorder = start(transportOf(accepted))
        if (kind === 'tcp') dialled.resetAndDestroy()
        else dialled.destroy()
        await recorder.until(() => recorder.events.length > 0)
        if (kind === 'tcp') {
          expect(recorder.events).toEqual(['closed'])
          expect(recorder.error).toMatchObject({ code: 'ECONNRESET' })
        } else {
          expect(recorder.events[0]).toMatch(/^(end|closed)$/)
        }
      })

      test('delivers all before the end on a socket that ends itself with its peer', async () => {
        const { accepted, dialled } = await connectSockets(kind, { dialledAllowsHalfOpen: false })
        const writer = transportOf(accepted)
        start(writer)
        const recorder = start(transportOf(dialled))
        writer.appendByReference(marked(500_000))
        writer.end()
        await recorder.untilEvent('closed')
        expect(recorder.events).toEqual(['end', 'closed'])
        expectSame(recorder.bytes, marked(500_000))
      })

      test('leaves the socket without a timeout of whoever had it before', async () => {
        const { accepted } = await connectSockets(kind)
        accepted.setTimeout(60_000)
        transportOf(accepted)
        expect(accepted.timeout ?? 0).toBe(0)
      })

      test(`tells ${kind === 'unix' ? 'no addresses' : 'the addresses of both ends'}`, async () => {
        const { accepted } = await connectSockets(kind)
        const transport = transportOf(accepted)
        if (kind === 'unix') {
          expect(transport.localAddress).toBeUndefined()
          expect(transport.remoteAddress).toBeUndefined()
        } else {
          expect(transport.localAddress).toEqual({ host: '127.0.0.1', port: accepted.localPort })
          expect(transport.remoteAddress).toEqual({ host: '127.0.0.1', port: accepted.remotePort })
        }
      })
    })

    test('keeps apart what comes on TLS while the memory of another connection is parsed', async () => {
      const lines = await Promise.all([0, 1, 2, 3].map(() => connectSockets('tls')))
      const { Protocol } = await import('../../src/protocol/protocol.ts')
      const { engine } = await import('../../src/kernel/engine.ts')
      const received: string[][] = lines.map(() => [])
      const ends: { transport: SocketTransportType; protocol: InstanceType<typeof Protocol> }[] = []
      for (const [index, { accepted }] of lines.entries()) {
        const transport = transportOf(accepted)
        const protocol = new Protocol({
          role: 'server',
          kernel: engine.kernel,
          platform: engine.platform,
          maskingKeys: engine.maskingKeys,
          limits: { maxMessageSize: 1024 * 1024, maxStreamSize: 1024 * 1024, maxFragments: 100 },
          output: transport,
          handler: {
            onMessage(message) {
              received[index]!.push(String(message))
              // Writes to all, by force, in the midst of parsing: each write can deliver input of its connection.
              for (const { transport, protocol } of ends) {
                protocol.sendText(`${message}`.slice(0, 20))
                transport.flush()
              }
            },
            onPing() {},
            onPong() {},
            onClose() {},
            onFailure(error) {
              throw error
            },
          },
        })
        ends.push({ transport, protocol })
        transport.start({
          onRead: (length) => protocol.receiveRead(length),
          onData: (bytes) => protocol.receiveData(bytes),
          onEnd() {},
          onDrain() {},
          onClosed() {},
        })
      }
      const { frame } = await import('../support/bytes.ts')
      const texts = lines.map((_, line) =>
        Array.from({ length: 60 }, (_, index) => `${line}:${index}:${'abcdefgh'[line]!.repeat(index * 97)}`),
      )
      for (const { dialled } of lines) dialled.resume()
      for (let index = 0; index < 60; index += 10) {
        for (const [line, { dialled }] of lines.entries()) {
          const batch = texts[line]!.slice(index, index + 10)
          const wire = Buffer.concat(batch.map((text) => frame(0x81, text, 0x12345678 + line)))
          // Cut across frames, so that records end in the midst of them.
          for (let start = 0; start < wire.length; start += 5000)
            dialled.write(wire.subarray(start, start + 5000))
        }
        await turns(2)
      }
      while (received.some((messages) => messages.length < 60)) await turns(1)
      expect(received).toEqual(texts)
    })

    test('takes input that a write delivers while another read is handled', async () => {
      // A stream whose write delivers at once, which is the worst that a TLS write can do.
      const inputs: string[] = []
      class Echo extends Duplex {
        override _read(): void {}

        override _write(chunk: Buffer, _: string, callback: () => void): void {
          callback()
          if (inputs.length < 5) this.emit('data', Buffer.from(`re-entrant ${chunk.length}`))
        }
      }
      const echo = new Echo()
      const transport = transportOf(echo)
      const recorder = new Recorder(kernel)
      recorder.reaction = (bytes) => {
        inputs.push(bytes.toString())
        put(transport, bytes)
        transport.flush()
      }
      transport.start(recorder)
      echo.push('start')
      await recorder.until(() => inputs.length >= 5)
      expect(inputs).toHaveLength(5)
      expect(inputs.slice(0, 3)).toEqual(['start', 're-entrant 5', 're-entrant 12'])
      echo.destroy()
    })
  })
}

describe('TLS fixture', () => {
  test('is trusted by its own certificate', async () => {
    const { dialled } = await connectSockets('tls')
    expect((dialled as TLSSocket).authorized).toBe(true)
  })
})
