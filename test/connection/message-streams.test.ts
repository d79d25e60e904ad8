import { ReadableStream, TransformStream, WritableStream } from 'node:stream/web'
import { describe, expect, test } from 'vitest'
import { type MessageStreams, messageStreams } from '../../src/connection/message-streams.ts'
import type { Sendable } from '../../src/connection/sendable.ts'
import { ConnectionClosedError, StateError } from '../../src/errors.ts'
import type { Message } from '../../src/protocol/message.ts'
import { connectedPair, FakeClock } from '../../src/testing/index.ts'
import { hex, pattern } from '../support/bytes.ts'
import { connectRaw, FakeSource, ROLES, receiveAll, receiveMany, settle, stateOf, TEXT } from './support.ts'

async function readAll(readable: ReadableStream<Message>): Promise<Message[]> {
  const messages: Message[] = []
  for await (const message of readable) messages.push(message)
  return messages
}

describe.each(ROLES)('stream() of a %s', (role) => {
  const other = role === 'client' ? 'server' : 'client'

  describe('readable', () => {
    test.each([1000, 1001, 1005])('gives messages as they are, and closes after %d', async (code) => {
      const pair = connectedPair()
      const messages = readAll(pair[role].stream().readable)
      void pair[other].send('one')
      void pair[other].send('')
      void pair[other].send(hex('01 02'))
      void pair[other].close(code)
      expect(await messages).toEqual(['one', '', hex('01 02')])
    })

    test.each([1011, 4000])('errors after %d, behind the messages that came', async (code) => {
      const pair = connectedPair()
      const reader = pair[role].stream().readable.getReader()
      void pair[other].send('one')
      void pair[other].close(code)
      expect(await reader.read()).toEqual({ value: 'one', done: false })
      await expect(reader.read()).rejects.toMatchObject({ name: 'ConnectionClosedError', info: { code } })
    })

    test('takes nothing that nobody asked for', async () => {
      const { connection, peer, link } = connectRaw(role, { receiveHighWaterMark: 2 })
      const { readable } = connection.stream()
      peer.send(TEXT, 'one')
      await settle()
      // The stream is no queue of its own.
      expect(link.isReadingPaused).toBe(false)
      peer.send(TEXT, 'two')
      await settle()
      expect(link.isReadingPaused).toBe(true)
      const reader = readable.getReader()
      expect(await reader.read()).toEqual({ value: 'one', done: false })
      await settle()
      reader.releaseLock()
      expect(await connection.receive()).toBe('two')
    })

    test('closes the connection with 1000 when it is cancelled', async () => {
      const pair = connectedPair()
      const { readable } = pair[role].stream()
      const reader = readable.getReader()
      const waiting = reader.read()
      await reader.cancel()
      expect(await waiting).toEqual({ value: undefined, done: true })
      expect(pair[role].state).toBe('closed')
      expect(await pair[other].closed).toMatchObject({ code: 1000, clean: true })
    })

    test('errors with StateError while somebody else receives', async () => {
      const { connection, peer } = connectRaw(role)
      const waiting = connection.receive()
      const reader = connection.stream().readable.getReader()
      await expect(reader.read()).rejects.toThrow(StateError)
      peer.send(TEXT, 'one')
      expect(await waiting).toBe('one')
    })

    test('makes the peer wait for a pipe that does', async () => {
      const pair = connectedPair({ [role]: { receiveHighWaterMark: 2 } })
      let go!: () => void
      const gate = new Promise<void>((resolve) => {
        go = resolve
      })
      const taken: Message[] = []
      const slow = new WritableStream<Message>({
        async write(message) {
          await gate
          taken.push(message)
        },
      })
      const piping = pair[role].stream().readable.pipeTo(slow)
      let sent = 0
      const sending = (async () => {
        for (; sent < 500; sent++) {
          await pair[other].send('x'.repeat(1000), { compress: false })
          await new Promise((resolve) => setImmediate(resolve))
        }
        await pair[other].close()
      })()
      for (let turn = 0; turn < 50; turn++) await settle()
      expect(sent).toBeLessThan(100)
      go()
      await Promise.all([piping, sending])
      expect(taken).toHaveLength(500)
    })
  })

  describe('writable', () => {
    test('sends messages of all kinds, in order', async () => {
      const pair = connectedPair()
      const writer = pair[role].stream().writable.getWriter()
      const messages = receiveMany(pair[other], 4)
      await writer.write('one')
      await writer.write(hex('01'))
      await writer.write(['in ', 'pieces'])
      await writer.write('')
      expect(await messages).toEqual(['one', hex('01'), 'in pieces', ''])
    })

    test('waits while the peer does not read', async () => {
      const { connection, peer } = connectRaw(role, { sendHighWaterMark: 1000 })
      await settle()
      peer.pause()
      const writer = connection.stream().writable.getWriter()
      const first = writer.write(pattern(2000))
      expect(await stateOf(first)).toBe('pending')
      expect(writer.desiredSize).toBe(0)
      expect(await stateOf(writer.ready)).toBe('pending')
      peer.resume()
      await first
      await writer.ready
    })

    test('closes with 1000 behind what was written, and is closed when the connection is', async () => {
      const pair = connectedPair()
      const messages = receiveAll(pair[other])
      const writer = pair[role].stream().writable.getWriter()
      void writer.write('one')
      void writer.write('two')
      await writer.close()
      expect(pair[role].state).toBe('closed')
      expect(await messages).toEqual(['one', 'two'])
      expect(await pair[other].closed).toMatchObject({ code: 1000, clean: true })
    })

    test('closes with 1011 when it is aborted', async () => {
      const pair = connectedPair()
      await pair[role].stream().writable.abort(new Error('a secret'))
      expect(await pair[other].closed).toMatchObject({ code: 1011, reason: '', clean: true })
    })

    test('can be aborted within a message that never ends', async () => {
      const pair = connectedPair()
      const writer = pair[role].stream().writable.getWriter()
      const source = new FakeSource()
      const writing = writer.write(source)
      writing.catch(() => {})
      source.give('half')
      await settle()
      await writer.abort(new Error('enough'))
      await expect(writing).rejects.toThrow(ConnectionClosedError)
      expect(source.wasStopped).toBe(true)
      expect(await pair[other].closed).toMatchObject({ code: 1011 })
    })

    test('can be aborted while the peer does not read', async () => {
      const { connection, peer, clock } = connectRaw(role, { sendHighWaterMark: 1000 })
      await settle()
      peer.pause()
      const writer = connection.stream().writable.getWriter()
      const writing = writer.write(pattern(2000))
      await settle()
      const aborting = writer.abort(new Error('enough'))
      await Promise.all([
        expect(writing).rejects.toThrow(ConnectionClosedError),
        clock.advance(10_100),
        aborting,
      ])
      expect(await connection.closed).toMatchObject({ sent: { code: 1011 }, clean: false })
    })

    test('errors when the connection has ended', async () => {
      const pair = connectedPair()
      const writer = pair[role].stream().writable.getWriter()
      writer.closed.catch(() => {})
      pair.cut()
      await pair[role].closed
      await expect(writer.write('late')).rejects.toThrow(ConnectionClosedError)
    })

    test('can be closed when the connection has ended', async () => {
      const pair = connectedPair()
      const { writable } = pair[role].stream()
      await pair[other].close()
      await pair[role].closed
      await writable.close()
    })

    test('errors for what is no message, and leaves the connection alone', async () => {
      const pair = connectedPair()
      const writer = pair[role].stream().writable.getWriter()
      writer.closed.catch(() => {})
      await expect(writer.write(5 as never)).rejects.toThrow(TypeError)
      expect(pair[role].state).toBe('open')
    })
  })

  test('can be piped through a transform back to the peer', async () => {
    const pair = connectedPair({ clock: new FakeClock() })
    const { readable, writable } = pair[role].stream()
    const loud = new TransformStream<Message, Sendable>({
      transform: (message, controller) => controller.enqueue(String(message).toUpperCase()),
    })
    const echoing = readable.pipeThrough(loud).pipeTo(writable)
    const messages = receiveMany(pair[other], 3)
    for (const text of ['one', 'two', 'three']) void pair[other].send(text)
    expect(await messages).toEqual(['ONE', 'TWO', 'THREE'])
    await pair[other].close()
    await echoing
  })

  test('fails with 1011 when what is piped to the peer does', async () => {
    const pair = connectedPair()
    const error = new Error('no more')
    const source = new ReadableStream<Sendable>({
      start: (controller) => controller.enqueue('one'),
      pull: (controller) => controller.error(error),
    })
    await expect(source.pipeTo(pair[role].stream().writable)).rejects.toBe(error)
    expect(await pair[other].closed).toMatchObject({ code: 1011 })
  })

  test('belongs to the handler when there is one', () => {
    const { connection } = connectRaw(role, { handler: {} })
    expect(() => connection.stream()).toThrow(new StateError('WS_RECEIVE_WITH_HANDLER'))
  })
})

test('asks nothing of a connection but to iterate, to send and to close', async () => {
  const log: unknown[] = []
  const streams: MessageStreams = messageStreams({
    async *[Symbol.asyncIterator]() {
      yield 'one'
    },
    send: async (message) => void log.push(message),
    close: async (code) => log.push(code),
  })
  expect(await readAll(streams.readable)).toEqual(['one'])
  const writer = streams.writable.getWriter()
  await writer.write('two')
  await writer.close()
  expect(log).toEqual(['two', undefined])
})
