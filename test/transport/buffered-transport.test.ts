import { Buffer } from 'node:buffer'
import { describe, expect, test } from 'vitest'
import { BufferedTransport } from '../../src/transport/buffered-transport.ts'
import { marked, put, turns } from '../contract/transport.ts'

const SLOT = 64 * 1024

/** Take writes down; what was not taken at once is read later, as sockets do. */
class SlowTransport extends BufferedTransport {
  readonly isBackedUp = false
  /** Whether a write is taken before it returns. */
  isFast = true
  readonly writes: Buffer[] = []
  readonly waiting: Buffer[] = []
  /** Called from inside a write, as when a TLS write delivers input. */
  reaction: (() => void) | undefined

  /** All that was written, in order; what waits is only looked at now. */
  get written(): Buffer {
    return Buffer.concat(this.writes)
  }

  get unflushedBytes(): number {
    return this.unflushed
  }

  discard(): void {
    this.discardOutput()
  }

  protected write(bytes: Buffer): boolean {
    this.writes.push(this.isFast ? Buffer.from(bytes) : bytes)
    const { isFast } = this
    this.reaction?.()
    return isFast
  }

  protected writePair(head: Buffer, payload: Uint8Array): boolean {
    return this.write(Buffer.concat([head, payload]))
  }
}

/** Only what the transport was ever asked for; the methods of Transport that reading needs are missing. */
function write(transport: SlowTransport, bytes: Uint8Array | string): void {
  put(transport as never, bytes)
}

describe('BufferedTransport', () => {
  test('writes all of a turn in one piece', async () => {
    const transport = new SlowTransport()
    write(transport, 'one ')
    write(transport, 'two ')
    write(transport, 'three')
    expect(transport.unflushedBytes).toBe(13)
    expect(transport.writes).toEqual([])
    await turns(1)
    expect(transport.writes.map(String)).toEqual(['one two three'])
    expect(transport.unflushedBytes).toBe(0)
  })

  test('writes nothing when nothing was committed', async () => {
    const transport = new SlowTransport()
    transport.reserve(10)
    transport.flush()
    await turns(1)
    expect(transport.writes).toEqual([])
  })

  test('writes earlier when its memory is full', async () => {
    const transport = new SlowTransport()
    const sent = [marked(SLOT - 10, 1), marked(20, 2), marked(SLOT, 3), marked(3 * SLOT, 4), marked(1, 5)]
    for (const bytes of sent) write(transport, bytes)
    expect(transport.writes.map((bytes) => bytes.length)).toEqual([SLOT - 10, 20, SLOT, 3 * SLOT])
    await turns(1)
    expect(Buffer.compare(transport.written, Buffer.concat(sent))).toBe(0)
  })

  test('puts a payload behind what was committed, without a copy of its own', () => {
    const transport = new SlowTransport()
    write(transport, 'head ')
    transport.appendByReference(Buffer.from('payload '))
    write(transport, 'more')
    transport.flush()
    expect(transport.writes.map(String)).toEqual(['head payload ', 'more'])
  })

  test('writes frames that others send too in order with its own, and leaves them as they are', async () => {
    const transport = new SlowTransport()
    const frames = ['one ', 'two ', 'three ', 'five '].map((text) => Buffer.from(text))
    const [one, two, three, five] = frames as [Buffer, Buffer, Buffer, Buffer]
    for (const frame of [one, two, three]) transport.appendShared(frame)
    expect(transport.unflushedBytes).toBe(14)
    expect(transport.writes).toEqual([])
    write(transport, 'four ')
    transport.appendShared(five)
    write(transport, 'six')
    await turns(1)
    expect(transport.unflushedBytes).toBe(0)
    // What is on its way already takes a frame along.
    expect(transport.writes.map(String)).toEqual(['one ', 'two ', 'three ', 'four five six'])
    expect(frames.map(String)).toEqual(['one ', 'two ', 'three ', 'five '])
  })

  test('writes a payload by reference behind the frames that others send too', () => {
    const transport = new SlowTransport()
    transport.appendShared(Buffer.from('shared '))
    transport.appendByReference(Buffer.from('payload '))
    transport.flush()
    expect(transport.writes.map(String)).toEqual(['shared ', 'payload '])
  })

  test('writes a frame that others send too by itself when there is no room for it', async () => {
    const transport = new SlowTransport()
    write(transport, marked(SLOT - 10, 1))
    transport.appendShared(marked(11, 2))
    write(transport, 'after')
    await turns(1)
    expect(transport.writes.map((bytes) => bytes.length)).toEqual([SLOT - 10, 11, 5])
    const whole = Buffer.concat([marked(SLOT - 10, 1), marked(11, 2), Buffer.from('after')])
    expect(Buffer.compare(transport.written, whole)).toBe(0)
  })

  test.each([
    ['many', 64, 10],
    ['large', 1, SLOT],
  ])('writes frames that others send too before the end of the turn when they are %s', (_, count, size) => {
    const transport = new SlowTransport()
    for (let index = 0; index < count - 1; index++) transport.appendShared(marked(size, index))
    expect(transport.writes).toEqual([])
    transport.appendShared(marked(size, count - 1))
    expect(transport.writes).toHaveLength(count)
    expect(transport.unflushedBytes).toBe(0)
  })

  test('keeps the order when a write of its own delivers input while frames of others wait', async () => {
    const transport = new SlowTransport()
    write(transport, marked(SLOT, 1))
    transport.appendShared(Buffer.from('shared '))
    transport.reaction = () => {
      transport.reaction = undefined
      write(transport, 'from inside ')
      transport.appendShared(Buffer.from('and shared'))
    }
    await turns(2)
    expect(transport.written.subarray(SLOT).toString()).toBe('shared from inside and shared')
  })

  test('forgets frames that others send too when it is discarded', async () => {
    const transport = new SlowTransport()
    transport.appendShared(Buffer.from('never sent'))
    transport.discard()
    expect(transport.unflushedBytes).toBe(0)
    await turns(1)
    expect(transport.writes).toEqual([])
  })

  test('writes text as Latin-1 before the bytes that follow, and no further than its end', async () => {
    const transport = new SlowTransport()
    write(transport, 'before ')
    const start = transport.reserve(20)
    transport.bytes.fill(0x78, start, start + 20)
    transport.writeLatin1('caf\xe9 \xff\r\n')
    expect(transport.unflushedBytes).toBe(15)
    expect([...transport.bytes.subarray(start + 8, start + 12)]).toEqual([0x78, 0x78, 0x78, 0x78])
    write(transport, 'after')
    await turns(1)
    expect(transport.writes.map((bytes) => bytes.toString('latin1'))).toEqual([
      'before caf\xe9 \xff\r\nafter',
    ])
  })

  test.each([100, SLOT - 5, SLOT, 3 * SLOT])(
    'writes %d characters where there is too little room',
    async (size) => {
      const transport = new SlowTransport()
      const text = marked(size, 2).toString('latin1')
      write(transport, marked(SLOT - 10, 1))
      transport.writeLatin1(text)
      await turns(1)
      expect(transport.writes.map((bytes) => bytes.length)).toEqual([SLOT - 10, size])
      expect(Buffer.compare(transport.written, Buffer.concat([marked(SLOT - 10, 1), marked(size, 2)]))).toBe(
        0,
      )
    },
  )

  test('never reuses memory that was not taken yet', async () => {
    const slow = new SlowTransport()
    slow.isFast = false
    const fast = new SlowTransport()
    const sent: Buffer[] = []
    for (let round = 0; round < 50; round++) {
      const bytes = marked(1000 + round, round)
      sent.push(bytes)
      write(slow, bytes)
      write(fast, marked(SLOT, 255 - round))
      await turns(1)
    }
    expect(Buffer.compare(slow.written, Buffer.concat(sent))).toBe(0)
  })

  test('takes memory again that was written at once', async () => {
    const transport = new SlowTransport()
    const memories = new Set<ArrayBufferLike>()
    for (let round = 0; round < 20; round++) {
      write(transport, 'x')
      memories.add(transport.bytes.buffer)
      await turns(1)
    }
    expect(memories.size).toBe(1)
  })

  test('flushes others early when one turn writes to many, and mixes nothing up', async () => {
    const transports = Array.from({ length: 100 }, () => new SlowTransport())
    for (let round = 0; round < 3; round++) {
      for (const [index, transport] of transports.entries()) write(transport, marked(100, index + round))
    }
    const memories = new Set(transports.map((transport) => transport.bytes.buffer))
    expect(memories.size).toBeLessThanOrEqual(17)
    expect(transports.filter((transport) => transport.writes.length > 0).length).toBeGreaterThan(80)
    await turns(1)
    for (const [index, transport] of transports.entries()) {
      const expected = Buffer.concat([0, 1, 2].map((round) => marked(100, index + round)))
      expect(Buffer.compare(transport.written, expected)).toBe(0)
    }
  })

  test('forgets what waits when it is discarded, and gives its memory back', async () => {
    const transport = new SlowTransport()
    write(transport, 'never sent')
    const { buffer } = transport.bytes
    transport.discard()
    expect(transport.unflushedBytes).toBe(0)
    const other = new SlowTransport()
    write(other, 'x')
    expect(other.bytes.buffer).toBe(buffer)
    await turns(1)
    expect(transport.writes).toEqual([])
    expect(other.writes.map(String)).toEqual(['x'])
  })

  test.each([100, SLOT - 5, SLOT, 3 * SLOT])(
    'keeps what is written from inside its own write, before %d bytes that need room',
    async (size) => {
      const transport = new SlowTransport()
      write(transport, marked(SLOT - 10, 1))
      transport.reaction = () => {
        transport.reaction = undefined
        write(transport, 'from inside')
      }
      // The write that makes room delivers input, whose handler writes first.
      write(transport, marked(size, 2))
      await turns(1)
      const expected = Buffer.concat([marked(SLOT - 10, 1), Buffer.from('from inside'), marked(size, 2)])
      expect(Buffer.compare(transport.written, expected)).toBe(0)
    },
  )

  test('keeps what is written from inside the writes of others', async () => {
    const crowd = Array.from({ length: 40 }, () => new SlowTransport())
    const transport = new SlowTransport()
    for (const [index, other] of crowd.entries()) {
      other.reaction = () => {
        other.reaction = undefined
        write(transport, `from ${index} `)
      }
      write(other, marked(100, index))
    }
    write(transport, 'outside ')
    for (const other of crowd) write(other, 'again')
    await turns(2)
    const words = transport.written.toString().trim().split(' ')
    const numbers = words.filter((word) => /^\d+$/.test(word)).map(Number)
    expect(numbers.sort((one, other) => one - other)).toEqual(crowd.map((_, index) => index))
    expect(words).toHaveLength(81)
    for (const [index, other] of crowd.entries()) {
      expect(Buffer.compare(other.written, Buffer.concat([marked(100, index), Buffer.from('again')]))).toBe(0)
    }
  })
})
