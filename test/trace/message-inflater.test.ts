import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Excerpt } from '../../src/trace/excerpt.ts'
import { MessageInflater, MOST_DECOMPRESSED } from '../../src/trace/message-inflater.ts'
import { deflate, prose } from '../connection/support.ts'
import { utf8 } from '../support/bytes.ts'

function make(keepsWindow = true): { excerpt: Excerpt; inflater: MessageInflater; read: Read } {
  const excerpt = new Excerpt(1000)
  const inflater = new MessageInflater(excerpt, keepsWindow)
  const read = (payload: Uint8Array): string | number => {
    inflater.begin()
    inflater.add(payload, 0, payload.length)
    inflater.finish()
    const { size, head } = excerpt.take()
    return size > 1000 ? size : new TextDecoder().decode(head)
  }
  return { excerpt, inflater, read }
}

type Read = (payload: Uint8Array) => string | number

const first = utf8(prose(300))
const second = utf8(prose(300))
const broken = Uint8Array.of(0xff, 0xff, 0xff, 0xff)
const bomb = deflate(new Uint8Array(MOST_DECOMPRESSED + 1))

describe('with a window that is kept', () => {
  test('decompresses one message after the other', () => {
    const { inflater, read } = make()
    expect(read(deflate(first))).toBe(prose(300))
    const again = deflate(second, first)
    expect(again.length).toBeLessThan(30)
    expect(read(again)).toBe(prose(300))
    inflater.close()
  })

  test('counts what it does not remember', () => {
    const { inflater, read } = make()
    expect(read(deflate(new Uint8Array(5_000_000)))).toBe(5_000_000)
    expect(inflater.isLost).toBe(false)
    inflater.close()
  })

  test.each([
    ['a broken message', broken],
    ['a message that becomes too large', bomb],
  ])('gives up for good at %s', (_, payload) => {
    const { inflater, read } = make()
    read(payload)
    expect(inflater.isLost).toBe(true)
    expect(read(deflate(first))).toBe('')
    expect(inflater.isLost).toBe(true)
    inflater.close()
  })
})

describe('with empty windows', () => {
  test('begins anew with each message', () => {
    const { inflater, read } = make(false)
    expect(read(deflate(first))).toBe(prose(300))
    expect(read(deflate(first))).toBe(prose(300))
    read(deflate(second, first))
    expect(inflater.isLost).toBe(true)
    inflater.close()
  })

  test.each([
    ['a broken message', broken],
    ['a message that becomes too large', bomb],
  ])('gives up only %s', (_, payload) => {
    const { inflater, read } = make(false)
    read(payload)
    expect(inflater.isLost).toBe(true)
    expect(read(deflate(first))).toBe(prose(300))
    expect(inflater.isLost).toBe(false)
    inflater.close()
  })
})

test('decompresses nothing where zlib cannot be driven at once', async () => {
  vi.resetModules()
  vi.stubEnv('OPENLINE_SYNC_ZLIB', 'off')
  onTestFinished(() => {
    vi.unstubAllEnvs()
    vi.resetModules()
  })
  const module = await import('../../src/trace/message-inflater.ts')
  for (const keepsWindow of [true, false]) {
    const excerpt = new Excerpt(1000)
    const inflater = new module.MessageInflater(excerpt, keepsWindow)
    inflater.begin()
    inflater.add(deflate(first), 0, 10)
    inflater.finish()
    expect(inflater.isLost).toBe(true)
    expect(excerpt.size).toBe(0)
    inflater.close()
  }
})

test('takes nothing after it was closed', () => {
  const { inflater, read } = make()
  inflater.close()
  inflater.close()
  expect(inflater.isLost).toBe(true)
  expect(read(deflate(first))).toBe('')
})
