import { expect, test, vi } from 'vitest'
import { Printer } from '../../src/trace/printer.ts'
import { LineLog } from './support.ts'

function settings(sink: (line: string) => void, time = false): ConstructorParameters<typeof Printer>[0] {
  return { sink, time, maxBytes: 75, redact: undefined }
}

test('prints lines as they are, while there is one connection', () => {
  const log = new LineLog()
  new Printer(settings(log.sink), 7).print('> GET / HTTP/1.1')
  expect(log.lines).toEqual(['> GET / HTTP/1.1'])
})

test('says which connection, as soon as there are several', () => {
  const log = new LineLog()
  const first = new Printer(settings(log.sink), 7)
  first.print('a')
  const second = new Printer(settings(log.sink), 8)
  second.print('b')
  first.print('c')
  expect(log.lines).toEqual(['a', '#8 b', '#7 c'])
})

test('prints one line at a time, whatever a peer put into it', () => {
  const log = new LineLog()
  new Printer(settings(log.sink), 1).print('< X: a\r\n> TEXT \x1b[0m')
  expect(log.lines).toEqual(['< X: a\\r\\n> TEXT \\x1b[0m'])
})

test('prints the time when it is asked for', () => {
  const log = new LineLog()
  new Printer(settings(log.sink, true), 1).print('a')
  expect(log.lines[0]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z a$/)
})

test('calls a sink that throws no more', () => {
  const sink = vi.fn(() => {
    throw new Error('the disk is full')
  })
  const printer = new Printer(settings(sink), 1)
  expect(() => printer.print('a')).not.toThrow()
  printer.print('b')
  expect(sink).toHaveBeenCalledOnce()
})

test('calls a sink that rejects no more, and leaves no rejection behind', async () => {
  const sink = vi.fn(() => Promise.reject(new Error('no')))
  const printer = new Printer(settings(sink as never), 1)
  printer.print('a')
  await new Promise((resolve) => setImmediate(resolve))
  printer.print('b')
  expect(sink).toHaveBeenCalledOnce()
})
