import { describe, expect, test } from 'vitest'
import { engine } from '../../src/kernel/engine.ts'
import { MemoryTransport, type MemoryTransportOptions } from '../../src/transport/memory-transport.ts'
import { describeTransport, expectSame, marked, put, Recorder, turns } from '../contract/transport.ts'

for (const options of [{}, { chunkSize: 10_000 }, { highWaterMark: 1 }]) {
  describeTransport(`MemoryTransport ${JSON.stringify(options)}`, {
    kernel: () => engine.kernel,
    connect: async () => {
      const [one, other] = MemoryTransport.pair(options)
      return { one, other }
    },
    deliveredAfterPause: 0,
  })
}

function connect(options?: MemoryTransportOptions): {
  one: MemoryTransport
  other: MemoryTransport
  here: Recorder
  there: Recorder
} {
  const [one, other] = MemoryTransport.pair(options)
  const here = new Recorder(engine.kernel)
  const there = new Recorder(engine.kernel)
  one.start(here)
  other.start(there)
  return { one, other, here, there }
}

describe('MemoryTransport', () => {
  test('delivers in pieces of the size that is asked for', async () => {
    const { one, there } = connect({ chunkSize: 3 })
    put(one, '12345678')
    await there.untilSize(8)
    expect(there.chunks.map(String)).toEqual(['123', '456', '78'])
  })

  test('never delivers from inside a write', async () => {
    const { one, there } = connect()
    put(one, 'x')
    one.flush()
    expect(there.size).toBe(0)
    await turns(1)
    expect(there.size).toBe(1)
  })

  test('delivers bytes that stay as they are, whatever becomes of the writer’s', async () => {
    const { one, other, there } = connect()
    other.hold()
    const bytes = marked(70_000)
    one.appendByReference(bytes)
    put(one, 'x')
    one.flush()
    const copy = Buffer.from(bytes)
    bytes.fill(0)
    other.release()
    await there.untilSize(70_001)
    expectSame(there.bytes.subarray(0, 70_000), copy)
  })

  test('is backed up from its high-water mark on', async () => {
    const { one, other, here } = connect({ highWaterMark: 100 })
    other.hold()
    put(one, marked(99))
    one.flush()
    expect(one.isBackedUp).toBe(false)
    put(one, marked(1))
    one.flush()
    expect(one.isBackedUp).toBe(true)
    expect(one.bufferedAmount).toBe(100)
    const drained = here.untilDrain()
    other.release()
    await drained
    expect(one.isBackedUp).toBe(false)
    expect(here.drains).toBe(1)
  })

  test('holds back bytes and the end, and then delivers both', async () => {
    const { one, other, there } = connect()
    other.hold()
    put(one, 'held')
    one.end()
    await turns()
    expect(there.size).toBe(0)
    expect(there.events).toEqual([])
    other.release()
    await there.untilEvent('end')
    expect(there.bytes.toString()).toBe('held')
  })

  test('drops the line for both ends with an error', async () => {
    const { one, here, there } = connect()
    const error = new Error('reset')
    one.fail(error)
    one.fail(new Error('once only'))
    await turns()
    expect(here.events).toEqual(['closed'])
    expect(there.events).toEqual(['closed'])
    expect(here.error).toBe(error)
    expect(there.error).toBe(error)
  })

  test('reports the error of a line that was dropped before it was started', async () => {
    const [one, other] = MemoryTransport.pair()
    const error = new Error('reset')
    one.fail(error)
    await turns()
    const there = new Recorder(engine.kernel)
    other.start(there)
    await turns()
    expect(there.events).toEqual(['closed'])
    expect(there.error).toBe(error)
  })
})
