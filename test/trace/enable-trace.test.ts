import { afterEach, describe, expect, test, vi } from 'vitest'
import { connectedPair } from '../../src/testing/index.ts'
import { enableTrace, resolveTrace } from '../../src/trace/enable-trace.ts'
import { LineLog } from './support.ts'

afterEach(() => enableTrace(false))

const sink = (): void => {}

describe('resolveTrace', () => {
  test('prints nothing unless it is told to', () => {
    expect(resolveTrace(undefined)).toBeUndefined()
    expect(resolveTrace(false)).toBeUndefined()
  })

  test('has its defaults', () => {
    expect(resolveTrace(true)).toMatchObject({ maxBytes: 75, redact: undefined, time: false })
  })

  test('goes by enableTrace() where the connection says nothing, or true', () => {
    enableTrace({ sink, maxBytes: 10 })
    expect(resolveTrace(undefined)).toMatchObject({ sink, maxBytes: 10 })
    expect(resolveTrace(true)).toMatchObject({ sink, maxBytes: 10 })
  })

  test('goes by the connection first', () => {
    enableTrace({ sink, maxBytes: 10 })
    expect(resolveTrace(false)).toBeUndefined()
    expect(resolveTrace({ maxBytes: 20 })).toMatchObject({ maxBytes: 20 })
    expect(resolveTrace({ maxBytes: 20 })!.sink).not.toBe(sink)
  })
})

describe('enableTrace', () => {
  test('prints to the error output', () => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    enableTrace()
    try {
      resolveTrace(undefined)!.sink('a line')
      expect(write).toHaveBeenCalledExactlyOnceWith('a line\n')
    } finally {
      write.mockRestore()
    }
  })

  test('is for connections that are opened afterwards', async () => {
    const log = new LineLog()
    const before = connectedPair()
    enableTrace(log)
    const traced = connectedPair({ server: { trace: false } })
    enableTrace(false)
    const after = connectedPair()
    for (const { client, server } of [before, traced, after]) {
      await client.send('x')
      await server.receive()
    }
    expect(log.lines).toEqual(['= connection is OPEN', "> TEXT 'x' [1 byte]"])
  })

  test('refuses what it cannot use, and stays as it was', () => {
    expect(() => enableTrace({ maxBytes: -1 })).toThrow(RangeError)
    expect(() => enableTrace('on' as never)).toThrow(TypeError)
    expect(resolveTrace(undefined)).toBeUndefined()
  })
})
