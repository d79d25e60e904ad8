import { describe, expect, test } from 'vitest'
import { BrowserConnection } from '../../src/browser/connection.ts'
import { Connection } from '../../src/connection/connection.ts'
import { StateError } from '../../src/errors.ts'
import { settle } from '../connection/support.ts'
import { openInBrowser } from './support.ts'

/** The names of what users see of an object of a class. */
function faceOf(object: object): string[] {
  const names = new Set<PropertyKey>()
  for (let at = object; at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of Reflect.ownKeys(at)) names.add(name)
  }
  return [...names].map(String).sort()
}

// What only the console of Node asks for.
const INSPECT = String(Symbol.for('nodejs.util.inspect.custom'))

test('has every property and method that a connection on Node has', async () => {
  const { connection } = await openInBrowser()
  const names = new Set([...faceOf(connection), INSPECT])
  expect(faceOf(Connection.prototype).filter((name) => !names.has(name))).toEqual([])
  expect(connection).toBeInstanceOf(BrowserConnection)
})

test('has an id that is a UUID, always the same', async () => {
  const [one, other] = await Promise.all([openInBrowser(), openInBrowser()])
  const { id } = one.connection
  expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
  expect(one.connection.id).toBe(id)
  expect(other.connection.id).not.toBe(id)
})

test('knows no addresses and no latency', async () => {
  const { connection } = await openInBrowser()
  expect(connection.remoteAddress).toBeUndefined()
  expect(connection.localAddress).toBeUndefined()
  expect(connection.latency).toBeUndefined()
  expect(connection).toHaveProperty('smoothedLatency', undefined)
})

test('iterates, and ends quietly after an ordinary close', async () => {
  const { connection, socket } = await openInBrowser()
  socket.deliver('a')
  socket.deliver('b')
  const got: unknown[] = []
  for await (const message of connection) {
    got.push(message)
    if (got.length === 2) socket.endWith(1001)
  }
  expect(got).toEqual(['a', 'b'])
})

test('throws out of a loop after another close', async () => {
  const { connection, socket } = await openInBrowser()
  socket.endWith(1011, 'oh')
  const loop = (async () => {
    for await (const _ of connection);
  })()
  await expect(loop).rejects.toThrow('the connection is closed with 1011 (internal error)')
})

test('waits for a message as long as it is told to', async () => {
  const { connection, clock, socket } = await openInBrowser()
  const receiving = connection.receive({ timeout: 100 })
  receiving.catch(() => {})
  await clock.advance(100)
  await expect(receiving).rejects.toMatchObject({ code: 'WS_TIMEOUT', phase: 'receive' })
  socket.deliver('next')
  expect(await connection.receive()).toBe('next')
})

describe('streams', () => {
  test('read and write', async () => {
    const { connection, socket } = await openInBrowser()
    const { readable, writable } = connection.stream()
    const writer = writable.getWriter()
    await writer.write('out')
    expect(socket.sent).toEqual(['out'])
    socket.deliver('in')
    const reader = readable.getReader()
    expect(await reader.read()).toEqual({ value: 'in', done: false })
    const closing = writer.close()
    await settle()
    expect(socket.closes).toEqual([{ code: 1000, reason: '' }])
    socket.answerClose()
    await closing
  })

  test('close with what stands for 1011 when they are aborted', async () => {
    const { connection, socket } = await openInBrowser()
    const { writable } = connection.stream()
    const aborting = writable.abort(new Error('no'))
    await settle()
    expect(socket.closes).toEqual([{ code: 4011, reason: '' }])
    socket.answerClose()
    await aborting
    expect(await connection.closed).toMatchObject({ code: 1011 })
  })
})

describe('throws at once, and says what to do instead, for', () => {
  test.each([
    ['ping()', (connection: Connection) => connection.ping()],
    ['pong()', (connection: Connection) => connection.pong()],
    ['pause()', (connection: Connection) => connection.pause()],
    ['toDuplex()', (connection: Connection) => connection.toDuplex()],
    ['close with 1001', (connection: Connection) => connection.close(1001)],
    ['close with 1011', (connection: Connection) => connection.close(1011)],
  ])('%s', async (name, call) => {
    const { connection, socket } = await openInBrowser()
    expect(() => call(connection)).toThrow(StateError)
    expect(() => call(connection)).toThrow(`a browser cannot do this: ${name}. `)
    expect(connection.state).toBe('open')
    expect(socket.closes).toEqual([])
  })
})

test('refuses codes and reasons that must not be sent', async () => {
  const { connection } = await openInBrowser()
  expect(() => connection.close(1006)).toThrow(RangeError)
  expect(() => connection.close(1000, 'x'.repeat(124))).toThrow(RangeError)
  expect(connection.state).toBe('open')
})

test('resume() does nothing: there was no pause', async () => {
  const { connection, socket } = await openInBrowser()
  connection.resume()
  socket.deliver('x')
  expect(await connection.receive()).toBe('x')
})

test('closes at the end of a block', async () => {
  const { connection, socket } = await openInBrowser()
  const disposing = connection[Symbol.asyncDispose]()
  expect(socket.closes).toEqual([{ code: 1000, reason: '' }])
  socket.answerClose()
  await disposing
  expect(connection.state).toBe('closed')
})

test('gives messages to one place at a time', async () => {
  const { connection } = await openInBrowser()
  connection.receive().catch(() => {})
  await expect(connection.receive()).rejects.toMatchObject({ code: 'WS_CONCURRENT_RECEIVE' })
})
