import { once } from 'node:events'
import net, { type AddressInfo, createConnection, createServer, type Server, Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { getSystemErrorName } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { countTaken, type DirectWriter } from '../../src/transport/direct-write.ts'
import { expectSame, marked, turns } from '../contract/transport.ts'

type Module = typeof import('../../src/transport/direct-write.ts')

/** More than the system keeps for a peer that does not read. */
const MANY = 16 * 1024 * 1024

interface StreamBinding {
  readonly streamBaseState: Int32Array
  readonly kLastWriteWasAsync: number
}

interface Handle {
  writeBuffer(request: object, bytes: Uint8Array): number
  writev(request: object, chunks: readonly Uint8Array[], areBuffers: true): number
}

const originalBinding = (process as unknown as { binding: (name: string) => object }).binding
const servers: Server[] = []
const sockets: Socket[] = []

afterEach(async () => {
  Object.assign(process, { binding: originalBinding })
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
  vi.doUnmock('node:net')
  vi.resetModules()
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const server of servers.splice(0)) {
    server.close()
    await once(server, 'close')
  }
})

/** Load the module anew, as a process with this environment would. */
async function load(environment?: string): Promise<Module> {
  vi.resetModules()
  vi.stubEnv('OPENLINE_DIRECT_WRITE', environment)
  return import('../../src/transport/direct-write.ts')
}

/** Load the module, and let it find out that sockets can be written to directly. */
async function loadTrusted(): Promise<Module> {
  const module = await load()
  expect(await module.tryDirectWrite()).toBe(true)
  return module
}

/** Two sockets that are connected. The accepted one does not read. */
async function connect(): Promise<{ accepted: Socket; dialled: Socket }> {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  const dialled = createConnection((server.address() as AddressInfo).port, '127.0.0.1')
  sockets.push(dialled)
  const [[accepted]] = (await Promise.all([
    once(server, 'connection'),
    once(dialled, 'connect'),
  ])) as unknown as [[Socket]]
  sockets.push(accepted)
  for (const socket of [accepted, dialled]) socket.on('error', () => {})
  return { accepted, dialled }
}

function handleOf(socket: Socket): Handle {
  return (socket as unknown as { _handle: Handle })._handle
}

/** Write down what a direct write reports. */
class Writer implements DirectWriter {
  readonly reports: (Error | undefined)[] = []
  readonly told: Promise<void>
  #tell!: () => void

  constructor() {
    this.told = new Promise((resolve) => {
      this.#tell = resolve
    })
  }

  receiveWritten(error: Error | undefined): void {
    this.reports.push(error)
    this.#tell()
  }
}

/** For writes that are taken at once, and those that are not made. */
const untold: DirectWriter = {
  receiveWritten() {
    throw new Error('nothing was pending')
  },
}

/** Begin to read, and wait until this many bytes came. */
async function read(socket: Socket, size: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let received = 0
  return new Promise((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      received += chunk.length
      if (received >= size) resolve(Buffer.concat(chunks))
    })
  })
}

async function expectNotTrusted(module: Module): Promise<void> {
  const { writeDirectly, writeAllDirectly, NOT_WRITTEN } = module
  const { accepted } = await connect()
  expect(writeDirectly(accepted, Buffer.from('x'), undefined, untold)).toBe(NOT_WRITTEN)
  expect(writeAllDirectly(accepted, [Buffer.from('x')], untold)).toBe(NOT_WRITTEN)
}

describe('tryDirectWrite', () => {
  test('finds that this runtime can do it', async () => {
    const { tryDirectWrite } = await load()
    expect(await tryDirectWrite()).toBe(true)
  })

  test('tries once for all who ask', async () => {
    const { tryDirectWrite } = await load()
    const first = tryDirectWrite()
    expect(tryDirectWrite()).toBe(first)
    await first
    expect(tryDirectWrite()).toBe(first)
  })

  test('is turned off by the environment', async () => {
    const module = await load('off')
    expect(await module.tryDirectWrite()).toBe(false)
    await expectNotTrusted(module)
  })

  test.each(['on', ''])('is not turned off by the value "%s"', async (value) => {
    const { tryDirectWrite } = await load(value)
    expect(await tryDirectWrite()).toBe(true)
  })

  test.each<[string, unknown]>([
    ['is missing', undefined],
    [
      'throws',
      () => {
        throw new Error('ERR_ACCESS_DENIED')
      },
    ],
    ['knows nothing of streams', () => undefined],
    ['has no class of requests', (name: string) => ({ ...originalBinding(name), WriteWrap: undefined })],
    ['has no state', (name: string) => ({ ...originalBinding(name), streamBaseState: undefined })],
    [
      'has no place for how a write went',
      (name: string) => ({ ...originalBinding(name), kLastWriteWasAsync: undefined }),
    ],
  ])('says no where the binding %s', async (_, binding) => {
    Object.assign(process, { binding })
    const module = await load()
    expect(await module.tryDirectWrite()).toBe(false)
    await expectNotTrusted(module)
  })

  test.each<[string, (socket: Socket, handle: Handle) => void]>([
    ['handles cannot write a buffer', (_, handle) => Object.assign(handle, { writeBuffer: undefined })],
    ['handles cannot write several', (_, handle) => Object.assign(handle, { writev: undefined })],
    ['the socket has no handle', (socket) => socket.destroy()],
    [
      'the socket breaks',
      (socket) => {
        process.nextTick(() => socket.destroy(new Error('broken')))
      },
    ],
    [
      'a write reports an error',
      (_, handle) => {
        vi.spyOn(handle, 'writeBuffer').mockReturnValue(-1)
      },
    ],
    [
      'a write of several reports an error',
      (_, handle) => {
        vi.spyOn(handle, 'writev').mockReturnValue(-1)
      },
    ],
    [
      'a write is not taken at once',
      (_, handle) => {
        const { streamBaseState, kLastWriteWasAsync } = originalBinding('stream_wrap') as StreamBinding
        const { writeBuffer } = handle
        handle.writeBuffer = (request, bytes) => {
          const error = writeBuffer.call(handle, request, bytes)
          streamBaseState[kLastWriteWasAsync] = 1
          return error
        }
      },
    ],
    [
      'what comes is not what was written',
      (_, handle) => {
        const { writev } = handle
        handle.writev = (request, chunks) =>
          writev.call(
            handle,
            request,
            chunks.map((chunk) => Buffer.alloc(chunk.length)),
            true,
          )
      },
    ],
    [
      'it comes in another order',
      (_, handle) => {
        const { writev } = handle
        handle.writev = (request, chunks) => writev.call(handle, request, chunks.toReversed(), true)
      },
    ],
    [
      'a part of it never comes',
      (_, handle) => {
        const { writev } = handle
        handle.writev = (request, chunks) => writev.call(handle, request, chunks.slice(1), true)
      },
    ],
  ])('says no where %s', async (_, disturb) => {
    vi.doMock('node:net', () => ({
      ...net,
      createServer: (listener: (socket: Socket) => void) =>
        createServer((socket) => {
          disturb(socket, handleOf(socket))
          listener(socket)
        }),
    }))
    const module = await load()
    expect(await module.tryDirectWrite()).toBe(false)
    await expectNotTrusted(module)
  })

  test('says no where there is no loopback to listen on', async () => {
    vi.doMock('node:net', () => ({
      ...net,
      createServer: (listener: (socket: Socket) => void) => {
        const server = createServer(listener)
        server.listen = () => {
          process.nextTick(() => server.emit('error', new Error('EACCES')))
          return server
        }
        return server
      },
    }))
    const module = await load()
    expect(await module.tryDirectWrite()).toBe(false)
    await expectNotTrusted(module)
  })
})

describe('countTaken', () => {
  test('tells by what is left over of a stream that has no handle, or one that does not count', () => {
    const stream = new Duplex({ read() {}, write() {} })
    stream.write('12345')
    expect(countTaken(stream)).toBe(-5)
    Object.assign(stream, { _handle: { bytesWritten: 3 } })
    expect(countTaken(stream)).toBe(-5)
    Object.assign(stream, { _handle: null })
    expect(countTaken(stream)).toBe(-5)
  })

  test('asks the handle, and of TLS the one beneath', () => {
    const stream = new Duplex()
    Object.assign(stream, { _handle: { bytesWritten: 100, writeQueueSize: 30 } })
    expect(countTaken(stream)).toBe(70)
    const beneath = { bytesWritten: 120, writeQueueSize: 20 }
    Object.assign(stream, { _handle: { bytesWritten: 100, writeQueueSize: 30, _parent: beneath } })
    expect(countTaken(stream)).toBe(100)
  })
})

describe('writeDirectly', () => {
  test('writes nothing before the trial', async () => {
    await expectNotTrusted(await load())
  })

  test('writes nothing to a socket without a handle', async () => {
    const { writeDirectly, NOT_WRITTEN } = await loadTrusted()
    expect(writeDirectly(new Socket(), Buffer.from('x'), undefined, untold)).toBe(NOT_WRITTEN)
    const { accepted } = await connect()
    accepted.destroy()
    expect(writeDirectly(accepted, Buffer.from('x'), undefined, untold)).toBe(NOT_WRITTEN)
  })

  test('writes nothing to a socket whose writing has ended', async () => {
    const { writeDirectly, NOT_WRITTEN } = await loadTrusted()
    const { accepted } = await connect()
    accepted.end()
    expect(writeDirectly(accepted, Buffer.from('x'), undefined, untold)).toBe(NOT_WRITTEN)
  })

  test('writes nothing to a socket whose writing will end when all before it has left', async () => {
    const { writeDirectly, NOT_WRITTEN } = await loadTrusted()
    const { accepted, dialled } = await connect()
    accepted.write(marked(MANY))
    accepted.end()
    expect(writeDirectly(accepted, Buffer.from('x'), undefined, untold)).toBe(NOT_WRITTEN)
    const ended = once(dialled, 'end')
    const received = await read(dialled, MANY)
    await ended
    expectSame(received, marked(MANY))
  })

  test('writes one piece and two, in order, and tells nobody of what was taken at once', async () => {
    const { writeDirectly } = await loadTrusted()
    const { accepted, dialled } = await connect()
    expect(writeDirectly(accepted, Buffer.from('one '), undefined, untold)).toBe(0)
    expect(writeDirectly(accepted, Buffer.from('two '), Buffer.from('three '), untold)).toBe(0)
    expect(writeDirectly(accepted, Buffer.from('four'), undefined, untold)).toBe(0)
    expect((await read(dialled, 18)).toString()).toBe('one two three four')
    await turns()
  })

  test('writes a part of a memory, and not what stands around it', async () => {
    const { writeDirectly } = await loadTrusted()
    const { accepted, dialled } = await connect()
    const memory = new Uint8Array(Buffer.from('[inside][within]'))
    expect(writeDirectly(accepted, memory.subarray(1, 7), undefined, untold)).toBe(0)
    expect(writeDirectly(accepted, memory.subarray(0, 0), memory.subarray(9, 15), untold)).toBe(0)
    expect((await read(dialled, 12)).toString()).toBe('insidewithin')
  })

  test.each([
    ['one piece', undefined],
    ['a second piece', marked(1000, 99)],
  ])('keeps %s that the system does not take, and tells once when the peer has read it', async (_, head) => {
    const { writeDirectly } = await loadTrusted()
    const { accepted, dialled } = await connect()
    const writer = new Writer()
    // When this has returned nobody but the write knows the memory.
    const writeMany = (): number => {
      const bytes = marked(MANY)
      return head === undefined
        ? writeDirectly(accepted, bytes, undefined, writer)
        : writeDirectly(accepted, Buffer.from(head), bytes, writer)
    }
    const rest = writeMany()
    expect(rest).toBeGreaterThan(0)
    expect(rest).toBeLessThanOrEqual(MANY + 1000)
    await turns()
    collectGarbage()
    // What was given back is taken again by these.
    const others = Array.from({ length: 4 }, () => Buffer.allocUnsafeSlow(MANY).fill(0xff))
    expect(writer.reports).toEqual([])
    const whole = Buffer.concat([head ?? new Uint8Array(0), marked(MANY)])
    expectSame(await read(dialled, whole.length), whole)
    await writer.told
    await turns()
    expect(writer.reports).toEqual([undefined])
    expect(others.every((bytes) => bytes[0] === 0xff)).toBe(true)
  })

  test('writes behind what is pending, by the stream too', async () => {
    const { writeDirectly } = await loadTrusted()
    const { accepted, dialled } = await connect()
    const first = new Writer()
    const second = new Writer()
    expect(writeDirectly(accepted, marked(MANY), undefined, first)).toBeGreaterThan(0)
    accepted.write(marked(1000, 1))
    expect(writeDirectly(accepted, marked(500, 2), marked(500, 3), second)).toBeGreaterThan(0)
    const whole = Buffer.concat([marked(MANY), marked(1000, 1), marked(500, 2), marked(500, 3)])
    expectSame(await read(dialled, whole.length), whole)
    await Promise.all([first.told, second.told])
    expect(first.reports).toEqual([undefined])
    expect(second.reports).toEqual([undefined])
  })

  test('writes to other sockets while a write is pending', async () => {
    const { writeDirectly } = await loadTrusted()
    const lines = await Promise.all([connect(), connect(), connect()])
    const [slow, fast, slower] = lines as [(typeof lines)[0], (typeof lines)[0], (typeof lines)[0]]
    const slowWriter = new Writer()
    const slowerWriter = new Writer()
    expect(writeDirectly(slow.accepted, marked(MANY, 1), undefined, slowWriter)).toBeGreaterThan(0)
    expect(writeDirectly(fast.accepted, marked(1000, 2), undefined, untold)).toBe(0)
    expect(writeDirectly(slower.accepted, marked(MANY, 3), undefined, slowerWriter)).toBeGreaterThan(0)
    expect(writeDirectly(fast.accepted, marked(1000, 4), marked(1000, 5), untold)).toBe(0)
    expectSame(
      await read(fast.dialled, 3000),
      Buffer.concat([marked(1000, 2), marked(1000, 4), marked(1000, 5)]),
    )
    expectSame(await read(slow.dialled, MANY), marked(MANY, 1))
    await slowWriter.told
    expect(slowWriter.reports).toEqual([undefined])
    expect(slowerWriter.reports).toEqual([])
    expectSame(await read(slower.dialled, MANY), marked(MANY, 3))
    await slowerWriter.told
    expect(slowerWriter.reports).toEqual([undefined])
  })

  test('can write again from inside the report', async () => {
    const { writeDirectly } = await loadTrusted()
    const { accepted, dialled } = await connect()
    let rest: number | undefined
    const writer = {
      receiveWritten() {
        rest = writeDirectly(accepted, marked(1000, 7), undefined, untold)
      },
    }
    expect(writeDirectly(accepted, marked(MANY), undefined, writer)).toBeGreaterThan(0)
    expectSame(await read(dialled, MANY + 1000), Buffer.concat([marked(MANY), marked(1000, 7)]))
    expect(rest).toBe(0)
  })

  test('tells once that a pending write is lost when the socket is destroyed', async () => {
    const { writeDirectly } = await loadTrusted()
    const { accepted } = await connect()
    const writer = new Writer()
    expect(writeDirectly(accepted, marked(MANY), undefined, writer)).toBeGreaterThan(0)
    accepted.destroy()
    await writer.told
    await turns()
    expect(writer.reports).toHaveLength(1)
    const [error] = writer.reports as [NodeJS.ErrnoException]
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ message: 'write ECANCELED', code: 'ECANCELED', syscall: 'write' })
    expect(getSystemErrorName(error.errno!)).toBe('ECANCELED')
  })

  test('tells once that a pending write is lost when the peer drops the line', async () => {
    const { writeDirectly } = await loadTrusted()
    const { accepted, dialled } = await connect()
    const writer = new Writer()
    expect(writeDirectly(accepted, marked(MANY), undefined, writer)).toBeGreaterThan(0)
    dialled.resetAndDestroy()
    await writer.told
    await turns()
    expect(writer.reports).toHaveLength(1)
    const [error] = writer.reports as [NodeJS.ErrnoException]
    expect(error.syscall).toBe('write')
    expect(error.code).toBe(getSystemErrorName(error.errno!))
  })

  test.each(['writeBuffer', 'writev'] as const)(
    'tells at once of an error of %s, and writes again afterwards',
    async (method) => {
      const { writeDirectly } = await loadTrusted()
      const { accepted, dialled } = await connect()
      const second = method === 'writev' ? Buffer.from('lost') : undefined
      const refusing = vi.spyOn(handleOf(accepted), method).mockReturnValue(-32)
      const writer = new Writer()
      expect(writeDirectly(accepted, Buffer.from('lost'), second, writer)).toBe(0)
      expect(writer.reports).toEqual([
        Object.assign(new Error('write EPIPE'), { code: 'EPIPE', errno: -32, syscall: 'write' }),
      ])
      refusing.mockRestore()
      expect(writeDirectly(accepted, Buffer.from('kept, '), undefined, untold)).toBe(0)
      expect(writeDirectly(accepted, Buffer.from('and '), Buffer.from('kept'), untold)).toBe(0)
      expect((await read(dialled, 14)).toString()).toBe('kept, and kept')
    },
  )

  test('leaves to the stream what a handle answers with anything but a number', async () => {
    const { writeDirectly, NOT_WRITTEN } = await loadTrusted()
    const { accepted } = await connect()
    vi.spyOn(handleOf(accepted), 'writeBuffer').mockReturnValue({} as never)
    expect(writeDirectly(accepted, Buffer.from('x'), undefined, untold)).toBe(NOT_WRITTEN)
  })

  test('tells at once that a peer is gone', async () => {
    const { writeDirectly } = await loadTrusted()
    const { accepted, dialled } = await connect()
    dialled.resetAndDestroy()
    await once(dialled, 'close')
    const writer = new Writer()
    expect(writeDirectly(accepted, Buffer.from('x'), undefined, writer)).toBe(0)
    expect(writer.reports).toMatchObject([{ code: 'ECONNRESET', syscall: 'write' }])
  })
})

describe('writeAllDirectly', () => {
  test('writes one piece and many, in order', async () => {
    const { writeAllDirectly } = await loadTrusted()
    const { accepted, dialled } = await connect()
    const pieces = Array.from({ length: 100 }, (_, index) => marked(index * 10, index))
    expect(writeAllDirectly(accepted, [Buffer.from('one')], untold)).toBe(0)
    expect(writeAllDirectly(accepted, pieces, untold)).toBe(0)
    const whole = Buffer.concat([Buffer.from('one'), ...pieces])
    expectSame(await read(dialled, whole.length), whole)
  })

  test('writes nothing to a socket whose writing has ended', async () => {
    const { writeAllDirectly, NOT_WRITTEN } = await loadTrusted()
    const { accepted } = await connect()
    accepted.end()
    expect(writeAllDirectly(accepted, [Buffer.from('x'), Buffer.from('y')], untold)).toBe(NOT_WRITTEN)
  })

  test.each([1, 16])('keeps %d pieces that the system does not take until it has', async (count) => {
    const { writeAllDirectly } = await loadTrusted()
    const { accepted, dialled } = await connect()
    const writer = new Writer()
    const makePieces = (): Buffer[] =>
      Array.from({ length: count }, (_, index) => marked(MANY / count, index))
    expect(writeAllDirectly(accepted, makePieces(), writer)).toBeGreaterThan(0)
    await turns()
    collectGarbage()
    const others = Array.from({ length: 4 * count }, () => Buffer.allocUnsafeSlow(MANY / count).fill(0xff))
    expectSame(await read(dialled, MANY), Buffer.concat(makePieces()))
    await writer.told
    await turns()
    expect(writer.reports).toEqual([undefined])
    expect(others.every((bytes) => bytes[0] === 0xff)).toBe(true)
  })
})

/** Collect all garbage now. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  setFlagsFromString('--no-expose-gc')
  collect()
}
