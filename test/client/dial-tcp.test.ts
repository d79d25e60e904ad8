import type { LookupFunction } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { describePlace, dialTcp, type Place } from '../../src/client/dial-tcp.ts'
import { Opening } from '../../src/client/opening.ts'
import { resolveTcpOptions, type TcpOptions } from '../../src/client/tcp-options.ts'
import { rejection, temporaryPath } from '../server/support.ts'
import { fakeServer } from './fake-server.ts'

/** Dial, and tell of the phases. */
function dial(place: Place, options: TcpOptions = {}, isProxy = false) {
  const opening = new Opening(2000, undefined)
  onTestFinished(() => opening.fail(new Error('the test is over')))
  opening.phase = 'proxy'
  const dialling = dialTcp(opening, place, resolveTcpOptions(options), isProxy)
  return { opening, dialling }
}

/** Resolve every name as told, in the way that was asked for. */
function resolver(...addresses: [address: string, family: 4 | 6][]): LookupFunction {
  return (_host, options, callback) => {
    if (options.all)
      callback(
        null,
        addresses.map(([address, family]) => ({ address, family })),
      )
    else callback(null, addresses[0]![0], addresses[0]![1])
  }
}

describe('dialTcp', () => {
  test('opens a connection to an address', async () => {
    const server = await fakeServer(() => {})
    const { opening, dialling } = dial({ host: '127.0.0.1', port: server.port })
    expect(opening.phase).toBe('connect')
    const socket = await dialling
    expect(socket.remotePort).toBe(server.port)
    expect(socket.listenerCount('connect') + socket.listenerCount('lookup')).toBe(0)
  })

  test('opens a Unix socket, or says that there is none', async () => {
    const { opening, dialling } = dial({ path: temporaryPath('none.sock') })
    expect(opening.phase).toBe('connect')
    expect(await rejection(dialling)).toMatchObject({ code: 'ENOENT' })
  })

  test('goes from dns to connect', async () => {
    const server = await fakeServer(() => {})
    let answer: (() => void) | undefined
    const lookup: LookupFunction = (host, options, callback) => {
      answer = () => resolver(['127.0.0.1', 4])(host, options, callback)
    }
    const { opening, dialling } = dial({ host: 'a.example', port: server.port }, { lookup })
    expect(opening.phase).toBe('dns')
    answer!()
    expect(opening.phase).toBe('connect')
    await dialling
  })

  test('is past dns also when the name was known at once', async () => {
    const server = await fakeServer(() => {})
    const lookup = resolver(['127.0.0.1', 4])
    const { opening, dialling } = dial({ host: 'a.example', port: server.port }, { lookup })
    expect(opening.phase).toBe('connect')
    const socket = await dialling
    expect(socket.remotePort).toBe(server.port)
  })

  test('stays in the phase proxy on the way to one', async () => {
    const server = await fakeServer(() => {})
    const place = { host: 'a.example', port: server.port }
    const { opening, dialling } = dial(place, { lookup: resolver(['127.0.0.1', 4]) }, true)
    expect(opening.phase).toBe('proxy')
    await dialling
    expect(opening.phase).toBe('proxy')
  })

  test('stays in dns when the name is not resolved', async () => {
    const error = Object.assign(new Error('no'), { code: 'ENOTFOUND' })
    const lookup: LookupFunction = (_host, _options, callback) => callback(error, '')
    const { opening, dialling } = dial({ host: 'a.example', port: 1 }, { lookup })
    expect(await rejection(dialling)).toBe(error)
    expect(opening.phase).toBe('dns')
  })

  test('rejects when the function that resolves names throws', async () => {
    const error = new Error('oops')
    const lookup = (): void => {
      throw error
    }
    const { dialling } = dial({ host: 'a.example', port: 1 }, { lookup })
    expect(await rejection(dialling)).toBe(error)
  })

  test('takes one address from a function that gives no lists', async () => {
    const server = await fakeServer(() => {})
    const lookup: LookupFunction = (_host, _options, callback) => callback(null, '127.0.0.1', 4)
    await dial({ host: 'a.example', port: server.port }, { lookup }).dialling
    const withoutFamily = ((_host: string, _options: object, callback: (e: null, a: string) => void) =>
      callback(null, '127.0.0.1')) as unknown as LookupFunction
    await dial({ host: 'a.example', port: server.port }, { lookup: withoutFamily }).dialling
  })

  test('tries the next address when one does not answer (happy eyeballs)', async () => {
    const server = await fakeServer(() => {})
    // Nobody listens at the first: it is refused.
    const lookup = resolver(['127.0.0.9', 4], ['127.0.0.1', 4])
    const { dialling } = dial({ host: 'a.example', port: server.port }, { lookup })
    expect((await dialling).remoteAddress).toBe('127.0.0.1')
  })

  test('tells of all addresses that failed', async () => {
    const server = await fakeServer(() => {})
    const lookup = resolver(['127.0.0.8', 4], ['127.0.0.9', 4])
    const error = await rejection(dial({ host: 'a.example', port: server.port }, { lookup }).dialling)
    expect((error as AggregateError).errors).toHaveLength(2)
  })

  test('takes the first address alone when told so', async () => {
    const server = await fakeServer(() => {})
    const lookup = resolver(['127.0.0.9', 4], ['127.0.0.1', 4])
    const options = { lookup, autoSelectFamily: false }
    const { dialling } = dial({ host: 'a.example', port: server.port }, options)
    expect(await rejection(dialling)).toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('asks for addresses of one version when told so', async () => {
    let asked: number | string | undefined
    const lookup: LookupFunction = (_host, options, callback) => {
      asked = options.family
      callback(Object.assign(new Error('enough'), { code: 'ENOTFOUND' }), '')
    }
    await rejection(dial({ host: 'a.example', port: 1 }, { lookup, family: 6 }).dialling)
    expect(asked).toBe(6)
  })

  test('connects from a local address', async () => {
    const server = await fakeServer(() => {})
    const place = { host: '127.0.0.1', port: server.port }
    const socket = await dial(place, { localAddress: '127.0.0.2' }).dialling
    expect(socket.localAddress).toBe('127.0.0.2')
    const error = await rejection(dial(place, { localAddress: '192.0.2.1' }).dialling)
    expect(error).toMatchObject({ code: 'EADDRNOTAVAIL' })
  })
})

test.each<[Place, string]>([
  [{ host: 'a.example', port: 80 }, 'a.example:80'],
  [{ host: '::1', port: 80 }, '[::1]:80'],
  [{ path: '/run/a.sock' }, '/run/a.sock'],
])('describePlace %o', (place, words) => {
  expect(describePlace(place)).toBe(words)
})
