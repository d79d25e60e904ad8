import { once } from 'node:events'
import net, { type AddressInfo, createConnection, createServer, Socket } from 'node:net'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'

type Module = typeof import('../../src/transport/shared-read.ts')

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
  vi.doUnmock('node:net')
  vi.resetModules()
})

/** Load the module anew, as a process with this environment would. */
async function load(environment?: string): Promise<Module> {
  vi.resetModules()
  vi.stubEnv('OPENLINE_SHARED_READ', environment)
  return import('../../src/transport/shared-read.ts')
}

describe('trySharedRead', () => {
  test('finds that this runtime can do it', async () => {
    const { trySharedRead } = await load()
    expect(await trySharedRead()).toBe(true)
  })

  test('tries once for all who ask', async () => {
    const { trySharedRead } = await load()
    const first = trySharedRead()
    expect(trySharedRead()).toBe(first)
    await first
    expect(trySharedRead()).toBe(first)
  })

  test('is turned off by the environment', async () => {
    const { trySharedRead, attachSharedRead } = await load('off')
    expect(await trySharedRead()).toBe(false)
    expect(attachSharedRead(new Socket(), new Uint8Array(10), () => true)).toBe(false)
  })

  test('is not turned off by other values', async () => {
    const { trySharedRead } = await load('on')
    expect(await trySharedRead()).toBe(true)
  })

  test('says no where sockets have no place for it', async () => {
    vi.doMock('node:net', () => ({ ...net, Socket: class {} }))
    const { trySharedRead, attachSharedRead } = await load()
    expect(await trySharedRead()).toBe(false)
    expect(attachSharedRead(new Socket(), new Uint8Array(10), () => true)).toBe(false)
  })

  test.each<[string, (socket: Socket) => void]>([
    [
      'handles cannot be given memory',
      (socket) => {
        Object.assign((socket as unknown as { _handle: object })._handle, { useUserBuffer: undefined })
      },
    ],
    [
      'the socket breaks',
      (socket) => {
        process.nextTick(() => socket.destroy(new Error('broken')))
      },
    ],
    [
      'what comes is not what was sent',
      (socket) => {
        const handle = (socket as unknown as { _handle: { useUserBuffer(bytes: Uint8Array): void } })._handle
        const { useUserBuffer } = handle
        handle.useUserBuffer = (bytes) => {
          const elsewhere = new Uint8Array(bytes.length)
          // A handle has only the address: nothing may free this while it reads.
          Object.assign(socket, { elsewhere })
          useUserBuffer.call(handle, elsewhere)
        }
      },
    ],
    [
      'more comes than was sent',
      (socket) => {
        process.nextTick(() => {
          const symbol = Object.getOwnPropertySymbols(socket).find(
            ({ description }) => description === 'kBufferCb',
          )!
          const callback = (socket as unknown as Record<symbol, (length: number) => boolean>)[symbol]!
          callback.call(socket, 1000)
        })
      },
    ],
  ])('says no where %s', async (_, disturb) => {
    vi.doMock('node:net', () => ({
      ...net,
      createServer: (listener: (socket: Socket) => void) =>
        createServer((socket) => {
          disturb(socket)
          listener(socket)
        }),
    }))
    const { trySharedRead, attachSharedRead } = await load()
    expect(await trySharedRead()).toBe(false)
    expect(attachSharedRead(new Socket(), new Uint8Array(10), () => true)).toBe(false)
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
    const { trySharedRead } = await load()
    expect(await trySharedRead()).toBe(false)
  })

  test('says no where nothing comes in time', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      vi.doMock('node:net', () => ({
        ...net,
        createServer: (listener: (socket: Socket) => void) => {
          const server = createServer(listener)
          vi.spyOn(server, 'address').mockReturnValue(null)
          return server
        },
      }))
      const { trySharedRead } = await load()
      const trial = trySharedRead()
      vi.advanceTimersByTime(2000)
      expect(await trial).toBe(false)
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('attachSharedRead', () => {
  test('does nothing before the trial', async () => {
    const { attachSharedRead } = await load()
    expect(attachSharedRead(new Socket(), new Uint8Array(10), () => true)).toBe(false)
  })

  test('lets a socket read into the memory, and calls back with the socket', async () => {
    const { trySharedRead, attachSharedRead } = await load()
    await trySharedRead()
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = createConnection((server.address() as AddressInfo).port, '127.0.0.1')
    const [accepted] = (await once(server, 'connection')) as [Socket]
    try {
      const memory = new Uint8Array(8)
      const calls: [unknown, string][] = []
      const attached = attachSharedRead(accepted, memory, function (length) {
        calls.push([this, Buffer.from(memory.subarray(0, length)).toString()])
        return true
      })
      expect(attached).toBe(true)
      accepted.resume()
      client.end('more than fits at once')
      await once(accepted, 'end')
      expect(calls.map(([, text]) => text)).toEqual(['more tha', 'n fits a', 't once'])
      expect(calls.every(([socket]) => socket === accepted)).toBe(true)
    } finally {
      accepted.destroy()
      client.destroy()
      server.close()
      await once(server, 'close')
    }
  })

  test('does nothing for a socket without a handle', async () => {
    const { trySharedRead, attachSharedRead } = await load()
    await trySharedRead()
    expect(attachSharedRead(new Socket(), new Uint8Array(10), () => true)).toBe(false)
  })

  test('gives a socket memory once, and may be called again for another callback', async () => {
    const { trySharedRead, attachSharedRead } = await load()
    await trySharedRead()
    const { accepted, client } = await connectPair()
    const useUserBuffer = vi.spyOn(handleOf(accepted), 'useUserBuffer')
    const memory = new Uint8Array(64)
    const calls: string[] = []
    const attachAs = (name: string): Promise<void> =>
      new Promise((resolve) => {
        const attached = attachSharedRead(accepted, memory, (length) => {
          calls.push(`${name} ${Buffer.from(memory.subarray(0, length))}`)
          resolve()
          return true
        })
        expect(attached).toBe(true)
      })
    const first = attachAs('first')
    accepted.resume()
    client.write('one')
    await first
    void attachAs('second')
    client.end('two')
    await once(accepted, 'end')
    expect(calls).toEqual(['first one', 'second two'])
    expect(useUserBuffer).toHaveBeenCalledTimes(1)
  })

  test('gives it other memory when asked', async () => {
    const { trySharedRead, attachSharedRead } = await load()
    await trySharedRead()
    const { accepted, client } = await connectPair()
    const memories = [new Uint8Array(64), new Uint8Array(64)] as const
    attachSharedRead(accepted, memories[0], () => expect.fail('nobody reads there any more'))
    attachSharedRead(accepted, memories[1], () => true)
    accepted.resume()
    client.end('hello')
    await once(accepted, 'end')
    expect(Buffer.from(memories[1].subarray(0, 5)).toString()).toBe('hello')
    expect(memories[0]).toEqual(new Uint8Array(64))
  })
})

describe('canReadShared', () => {
  test('says no before the trial, and afterwards what came of it', async () => {
    const { trySharedRead, canReadShared } = await load()
    expect(canReadShared()).toBe(false)
    await trySharedRead()
    expect(canReadShared()).toBe(true)
  })

  test('says no where it is turned off', async () => {
    const { trySharedRead, canReadShared } = await load('off')
    await trySharedRead()
    expect(canReadShared()).toBe(false)
  })
})

describe('returnReads', () => {
  test('gives reads back to the stream, as copies and in order', async () => {
    const { trySharedRead, attachSharedRead, returnReads } = await load()
    await trySharedRead()
    const { accepted, client } = await connectPair()
    const memory = new Uint8Array(8)
    const early = new Promise<string>((resolve) => {
      attachSharedRead(accepted, memory, (length) => {
        resolve(Buffer.from(memory.subarray(0, length)).toString())
        return true
      })
    })
    accepted.resume()
    client.write('early')
    expect(await early).toBe('early')
    accepted.pause()
    returnReads(accepted)
    const chunks: Buffer[] = []
    accepted.on('data', (chunk: Buffer) => chunks.push(chunk))
    accepted.resume()
    client.end('more than fits at once')
    await once(accepted, 'end')
    expect(chunks.map(String)).toEqual(['more tha', 'n fits a', 't once'])
    memory.fill(0)
    expect(Buffer.concat(chunks).toString()).toBe('more than fits at once')
  })

  test('lets the stream hold the peer back', async () => {
    const { trySharedRead, attachSharedRead, returnReads } = await load()
    await trySharedRead()
    const { accepted, client } = await connectPair()
    attachSharedRead(accepted, new Uint8Array(64 * 1024), () => expect.fail('the stream reads'))
    returnReads(accepted)
    const whole = Buffer.alloc(16 * 1024 * 1024, 'abcdefg')
    client.end(whole)
    accepted.read(0)
    await once(accepted, 'readable')
    // One read may go beyond the mark, and no second follows it.
    await new Promise((resolve) => setImmediate(resolve))
    expect(accepted.readableLength).toBeLessThanOrEqual(accepted.readableHighWaterMark + 64 * 1024)
    const chunks: Buffer[] = []
    accepted.on('data', (chunk: Buffer) => chunks.push(chunk))
    await once(accepted, 'end')
    expect(Buffer.concat(chunks).equals(whole)).toBe(true)
  })

  test('can be followed by attachSharedRead again', async () => {
    const { trySharedRead, attachSharedRead, returnReads } = await load()
    await trySharedRead()
    const { accepted, client } = await connectPair()
    const memory = new Uint8Array(64)
    attachSharedRead(accepted, memory, () => expect.fail('it was returned'))
    returnReads(accepted)
    let text = ''
    attachSharedRead(accepted, memory, (length) => {
      text += Buffer.from(memory.subarray(0, length))
      return true
    })
    accepted.resume()
    client.end('hello')
    await once(accepted, 'end')
    expect(text).toBe('hello')
  })

  test('does nothing where sockets have no place for it', async () => {
    const { returnReads } = await load('off')
    const socket = new Socket()
    const before = Object.getOwnPropertySymbols(socket).length
    returnReads(socket)
    expect(Object.getOwnPropertySymbols(socket)).toHaveLength(before)
  })
})

function handleOf(socket: Socket): { useUserBuffer(bytes: Uint8Array): void } {
  return (socket as unknown as { _handle: { useUserBuffer(bytes: Uint8Array): void } })._handle
}

/** Connect two sockets until the test ends. */
async function connectPair(): Promise<{ accepted: Socket; client: Socket }> {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = createConnection((server.address() as AddressInfo).port, '127.0.0.1')
  const [accepted] = (await once(server, 'connection')) as [Socket]
  onTestFinished(async () => {
    accepted.destroy()
    client.destroy()
    server.close()
    await once(server, 'close')
  })
  return { accepted, client }
}
