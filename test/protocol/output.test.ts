import { describe, expect, test } from 'vitest'
import { ByteOutput } from '../../src/protocol/output.ts'
import { concat, hex, pattern } from '../support/bytes.ts'

function write(output: ByteOutput, bytes: Uint8Array): void {
  const start = output.reserve(bytes.length)
  output.bytes.set(bytes, start)
  output.commit(start + bytes.length)
}

describe('ByteOutput', () => {
  test('takes nothing when nothing was written', () => {
    expect(new ByteOutput().takeOutput()).toEqual(new Uint8Array(0))
  })

  test('is never backed up', () => {
    expect(new ByteOutput().isBackedUp).toBe(false)
  })

  test('takes what was committed, and nothing twice', () => {
    const output = new ByteOutput()
    write(output, hex('01 02'))
    write(output, hex('03'))
    expect(output.takeOutput()).toEqual(hex('01 02 03'))
    expect(output.takeOutput()).toEqual(new Uint8Array(0))
    write(output, hex('04'))
    expect(output.takeOutput()).toEqual(hex('04'))
  })

  test('leaves out what was reserved and not committed', () => {
    const output = new ByteOutput()
    const start = output.reserve(10)
    output.bytes.fill(0xff)
    output.commit(start + 2)
    expect(output.takeOutput()).toEqual(hex('ff ff'))
    output.reserve(10)
    expect(output.takeOutput()).toEqual(new Uint8Array(0))
  })

  test('grows, and keeps what was committed', () => {
    const output = new ByteOutput()
    write(output, pattern(200))
    write(output, pattern(57))
    write(output, pattern(5000))
    expect(output.takeOutput()).toEqual(concat(pattern(200), pattern(57), pattern(5000)))
  })

  test('appends payloads given by reference in order', () => {
    const output = new ByteOutput()
    write(output, hex('01'))
    output.appendByReference(pattern(300))
    write(output, hex('02'))
    expect(output.takeOutput()).toEqual(concat(hex('01'), pattern(300), hex('02')))
  })

  test('gives away bytes that later writes do not touch', () => {
    const output = new ByteOutput()
    write(output, hex('01'))
    const taken = output.takeOutput()
    write(output, hex('02'))
    expect(taken).toEqual(hex('01'))
  })
})
