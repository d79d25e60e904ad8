import { Buffer } from 'node:buffer'
import zlib, { constants } from 'node:zlib'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { hex } from '../support/bytes.ts'

type Module = typeof import('../../src/deflate/sync-zlib.ts')

/** What lies in a zlib stream, as far as a test disturbs it. */
interface Inner {
  _handle: {
    onerror: (...details: unknown[]) => void
    writeSync: ((...values: unknown[]) => void) | undefined
    reset(): void
  }
  _processChunk: ((chunk: Uint8Array, flush: number) => Uint8Array) | undefined
  _writeState: unknown
  _chunkSize: unknown
  _outBuffer: unknown
  _outOffset: unknown
}

afterEach(() => {
  vi.unstubAllEnvs()
  vi.doUnmock('node:zlib')
  vi.resetModules()
})

/** Load the module anew, as a process with this environment would. */
async function load(environment?: string): Promise<Module> {
  vi.resetModules()
  vi.stubEnv('OPENLINE_SYNC_ZLIB', environment)
  return import('../../src/deflate/sync-zlib.ts')
}

/** Load the module where zlib's streams are of another kind. */
async function loadDisturbed(kind: 'deflate' | 'inflate', disturb: (stream: Inner) => void): Promise<Module> {
  const name = kind === 'deflate' ? 'createDeflateRaw' : 'createInflateRaw'
  vi.doMock('node:zlib', () => ({
    ...zlib,
    [name]: (options: zlib.ZlibOptions) => {
      const stream = zlib[name](options)
      disturb(stream as unknown as Inner)
      return stream
    },
  }))
  return load()
}

describe('canRunSync', () => {
  test('finds that this runtime can do it', async () => {
    const { canRunSync } = await load()
    expect(canRunSync()).toBe(true)
    expect(canRunSync()).toBe(true)
  })

  test('is turned off by the environment', async () => {
    const { canRunSync } = await load('off')
    expect(canRunSync()).toBe(false)
  })

  test('is not turned off by other values', async () => {
    for (const value of ['on', '', 'OFF', '0']) expect((await load(value)).canRunSync()).toBe(true)
  })

  test('looks at the environment once, when it is first asked', async () => {
    const { canRunSync } = await load()
    expect(canRunSync()).toBe(true)
    vi.stubEnv('OPENLINE_SYNC_ZLIB', 'off')
    expect(canRunSync()).toBe(true)
  })

  test('tries once', async () => {
    let streams = 0
    const { canRunSync } = await loadDisturbed('deflate', () => {
      streams++
    })
    canRunSync()
    const tried = streams
    expect(tried).toBeGreaterThan(0)
    canRunSync()
    expect(streams).toBe(tried)
  })

  test.each<[string, (stream: Inner) => void]>([
    ['streams cannot work at once', (stream) => Object.assign(stream, { _processChunk: undefined })],
    ['streams have no handle', (stream) => Object.assign(stream, { _handle: undefined })],
    [
      'handles cannot work at once',
      (stream) => {
        stream._handle.writeSync = undefined
      },
    ],
    [
      'handles are not asked',
      (stream) => {
        stream._processChunk = (chunk) => chunk
      },
    ],
    [
      'handles are given more than seven things',
      (stream) => spoilCalls(stream, (values) => [...values, undefined]),
    ],
    ['handles are given less', (stream) => spoilCalls(stream, (values) => values.slice(0, 6))],
    ['handles are given the input elsewhere', (stream) => spoilCalls(stream, spoilValue(1, Buffer.alloc(7)))],
    ['handles are given another flush', (stream) => spoilCalls(stream, spoilValue(0, constants.Z_FINISH))],
    ['handles are given an offset', (stream) => spoilCalls(stream, spoilValue(2, 1))],
    ['handles are given another length', (stream) => spoilCalls(stream, spoilValue(3, 6))],
    ['handles are given no memory for output', (stream) => spoilCalls(stream, spoilValue(4, undefined))],
    ['handles are given an offset in the output', (stream) => spoilCalls(stream, spoilValue(5, 1))],
    ['handles are given a part of the output', (stream) => spoilCalls(stream, spoilValue(6, 10))],
  ])('says no where %s', async (_, disturb) => {
    const { canRunSync } = await loadDisturbed('deflate', disturb)
    expect(canRunSync()).toBe(false)
  })

  // These are looked at only after a stream of Node's own has worked with them.
  test.each<[string, keyof Inner, unknown]>([
    ['nothing is written down', '_writeState', undefined],
    ['it is written down elsewhere', '_writeState', [0, 0]],
    ['streams name no size of chunks', '_chunkSize', undefined],
    ['streams have no memory for output', '_outBuffer', undefined],
    ['streams have no place in it', '_outOffset', undefined],
  ])('says no where %s', async (_, name, value) => {
    const { canRunSync } = await loadDisturbed('deflate', (stream) => {
      const { _processChunk: process } = stream
      stream._processChunk = (chunk, flush) => {
        const result = process!.call(stream, chunk, flush)
        Object.defineProperty(stream, name, { value })
        return result
      }
    })
    expect(canRunSync()).toBe(false)
  })

  test.each<[string, 'deflate' | 'inflate', (stream: Inner) => void]>([
    [
      'what comes out is wrong',
      'inflate',
      (stream) => {
        const { _handle: handle } = stream
        const { writeSync } = handle
        handle.writeSync = (...values) => {
          writeSync!.apply(handle, values)
          ;(values[4] as Uint8Array)[0]! ^= 1
        }
      },
    ],
    [
      'nonsense is not noticed',
      'inflate',
      (stream) => {
        Object.defineProperty(stream._handle, 'onerror', { set: () => {}, get: () => () => {} })
      },
    ],
    [
      'the window is not kept',
      'deflate',
      (stream) => {
        const { _handle: handle } = stream
        const { writeSync } = handle
        handle.writeSync = (...values) => {
          handle.reset()
          writeSync!.apply(handle, values)
        }
      },
    ],
  ])('says no where %s', async (_, kind, disturb) => {
    const { canRunSync } = await loadDisturbed(kind, disturb)
    expect(canRunSync()).toBe(false)
  })
})

describe('createZlib', () => {
  test('makes streams without a header, which flush after each write', async () => {
    const { createZlib } = await load()
    const deflater = createZlib('deflate', { windowBits: 10 })
    const output = Buffer.alloc(100)
    const input = Buffer.from('Hello')
    deflater._handle.writeSync(constants.Z_SYNC_FLUSH, input, 0, input.length, output, 0, output.length)
    const written = output.subarray(0, output.length - deflater._writeState[0]!)
    expect(new Uint8Array(written)).toEqual(hex('f2 48 cd c9 c9 07 00 00 00 ff ff'))
    deflater.close()

    const inflater = createZlib('inflate', { windowBits: 10 })
    const chunks: Uint8Array[] = []
    inflater.on('data', (chunk) => chunks.push(chunk))
    await new Promise<void>((resolve) => inflater.write(written, () => resolve()))
    expect(Buffer.concat(chunks).toString()).toBe('Hello')
    inflater.close()
  })
})

/** Let Node's own call look different to whoever watches it; the handle itself is called as ever. */
function spoilCalls(stream: Inner, spoil: (values: unknown[]) => unknown[]): void {
  const { _handle: handle, _processChunk: process } = stream
  const { writeSync } = handle
  let actual: unknown[] = []
  handle.writeSync = () => writeSync!.apply(handle, actual)
  stream._processChunk = (chunk, flush) => {
    const { writeSync: watched } = handle
    handle.writeSync = (...values) => {
      actual = values
      watched!.apply(handle, spoil(values))
    }
    return process!.call(stream, chunk, flush)
  }
}

function spoilValue(index: number, value: unknown): (values: unknown[]) => unknown[] {
  return (values) => values.with(index, value)
}
