// What every transport must do, whatever carries its bytes. Run it over each.

import { once } from 'node:events'
import { afterEach, describe, expect, test } from 'vitest'
import type { Kernel } from '../../src/protocol/kernel.ts'
import type { Transport, TransportHandler } from '../../src/transport/transport.ts'

/** Two ends of one line. Neither was started. */
export interface TransportEnds {
  readonly one: Transport
  readonly other: Transport
}

/** Say how pairs are made, and what is different about them. */
export interface TransportSubject {
  /** Where `onRead` finds its bytes. */
  kernel(): Kernel
  connect(): Promise<TransportEnds>
  /** Undo what `connect` did, after each test. */
  cleanUp?(): Promise<void>
  /** Bytes that may still come after `pause()`, because they were decrypted or buffered already. */
  readonly deliveredAfterPause: number
  /** True where the ends have no addresses: Unix sockets, and streams that are no sockets. */
  readonly hasNoAddresses?: boolean
}

/** Write down what a transport reports. */
export class Recorder implements TransportHandler {
  /** `end` and `closed`, as they came. */
  readonly events: string[] = []
  readonly chunks: Buffer[] = []
  error: Error | undefined
  size = 0
  reads = 0
  /** How often a drain was reported; streams also report what nobody asked for. */
  drains = 0
  /** Called for each piece of data, while it is being delivered. */
  reaction: ((bytes: Buffer) => void) | undefined
  readonly #kernel: Kernel
  readonly #target = new EventTarget()

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks)
  }

  onRead(length: number): void {
    const { memory, readStart } = this.#kernel
    this.reads++
    this.#take(Buffer.from(memory.subarray(readStart, readStart + length)))
  }

  onData(bytes: Uint8Array): void {
    this.#take(Buffer.from(bytes))
  }

  onEnd(): void {
    this.#note('end')
  }

  onDrain(): void {
    this.drains++
    this.#note('drain')
  }

  onClosed(error: Error | undefined): void {
    this.error = error
    this.#note('closed')
  }

  #take(bytes: Buffer): void {
    this.chunks.push(bytes)
    this.size += bytes.length
    this.reaction?.(bytes)
    this.#note('data')
  }

  #note(event: string): void {
    if (event === 'end' || event === 'closed') this.events.push(event)
    this.#target.dispatchEvent(new Event('change'))
  }

  /** Wait until a condition holds. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await once(this.#target, 'change')
  }

  untilSize(size: number): Promise<void> {
    return this.until(() => this.size >= size)
  }

  untilEvent(event: 'end' | 'closed'): Promise<void> {
    return this.until(() => this.events.includes(event))
  }

  /** Wait for a drain that comes from now on. */
  untilDrain(): Promise<void> {
    const { drains } = this
    return this.until(() => this.drains > drains)
  }
}

/** Let the loop turn, sockets included. */
export async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Put bytes into a transport, to leave at the end of the turn. */
export function put(transport: Transport, bytes: Uint8Array | string): void {
  const source = Buffer.from(bytes as Uint8Array)
  const start = transport.reserve(source.length)
  transport.bytes.set(source, start)
  transport.commit(start + source.length)
}

/** Make bytes that tell their place and whose they are. */
export function marked(length: number, mark = 0): Buffer {
  const bytes = Buffer.alloc(length)
  for (let index = 0; index < length; index++) bytes[index] = (index * 7 + (index >> 8) * 31 + mark) & 0xff
  return bytes
}

export function expectSame(received: Uint8Array, sent: Uint8Array): void {
  expect(received.length).toBe(sent.length)
  expect(Buffer.compare(received, sent)).toBe(0)
}

const MANY = 16 * 1024 * 1024

/** Run the suite. */
export function describeTransport(name: string, subject: TransportSubject): void {
  describe(name, () => {
    let ends: TransportEnds | undefined

    /** Connect and start both ends. */
    async function connect(): Promise<TransportEnds & { here: Recorder; there: Recorder }> {
      const { one, other } = await connectOnly()
      const here = new Recorder(subject.kernel())
      const there = new Recorder(subject.kernel())
      one.start(here)
      other.start(there)
      return { one, other, here, there }
    }

    async function connectOnly(): Promise<TransportEnds> {
      ends = await subject.connect()
      return ends
    }

    afterEach(async () => {
      ends?.one.destroy()
      ends?.other.destroy()
      ends = undefined
      await turns(2)
      await subject.cleanUp?.()
    })

    test('carries bytes both ways, in order, however they were written', async () => {
      const { one, other, here, there } = await connect()
      const sizes = [1, 2, 100, 0, 65_535, 65_536, 65_537, 3, 200_000, 5]
      const sent: Buffer[] = []
      for (const [index, size] of sizes.entries()) {
        const bytes = marked(size, index)
        sent.push(bytes)
        put(one, bytes)
        put(other, bytes)
        if (index % 3 === 1) one.flush()
        if (index === 5) {
          const large = marked(100_000, 99)
          sent.push(large)
          one.appendByReference(large)
          other.appendByReference(large)
        }
        if (index % 4 === 3) await turns(1)
      }
      const whole = Buffer.concat(sent)
      await here.untilSize(whole.length)
      await there.untilSize(whole.length)
      expectSame(here.bytes, whole)
      expectSame(there.bytes, whole)
      expect(here.events).toEqual([])
    })

    test('writes at the end of the turn by itself', async () => {
      const { one, there } = await connect()
      put(one, 'first ')
      put(one, 'second')
      await there.untilSize(12)
      expect(there.bytes.toString()).toBe('first second')
      // What was committed in one turn was not torn apart.
      expect(there.chunks).toHaveLength(1)
    })

    test('counts what the system takes, while a large write goes on', async () => {
      const { one, other, there } = await connect()
      other.pause()
      put(one, marked(MANY))
      one.flush()
      await turns()
      expect(one.bufferedAmount).toBeGreaterThan(0)
      const before = one.taken
      await turns()
      expect(one.taken).toBe(before)
      other.resume()
      await there.untilSize(MANY)
      expect(one.taken).toBeGreaterThan(before)
    })

    test('notes when bytes were handed to the system', async () => {
      const { one, other, there } = await connect()
      expect(one.flushedAt).toBeUndefined()
      const before = Math.trunc(performance.now())
      put(one, 'x')
      expect(one.flushedAt).toBeUndefined()
      await there.untilSize(1)
      const first = one.flushedAt!
      expect(Number.isInteger(first)).toBe(true)
      expect(first).toBeGreaterThanOrEqual(before)
      await new Promise((resolve) => setTimeout(resolve, 5))
      one.flush()
      expect(one.flushedAt).toBe(first)
      one.appendByReference(marked(100_000))
      expect(one.flushedAt).toBeGreaterThan(first)
      expect(one.flushedAt).toBeLessThanOrEqual(performance.now())
      expect(other.flushedAt).toBeUndefined()
    })

    test('tells what was never sent', async () => {
      const { one, other, here } = await connect()
      other.pause()
      put(one, marked(MANY))
      one.flush()
      await turns()
      put(one, new Uint8Array(1000))
      const waiting = one.bufferedAmount
      expect(waiting).toBeGreaterThan(1000)
      one.destroy()
      await here.untilEvent('closed')
      expect(one.unsent).toBe(waiting)
    })

    test('tells that all was sent', async () => {
      const { one, other, here, there } = await connect()
      put(one, 'x')
      one.end()
      await there.untilEvent('end')
      other.end()
      await here.untilEvent('closed')
      expect([one.unsent, other.unsent]).toEqual([0, 0])
    })

    test('counts what waits, before and after it was flushed', async () => {
      const { one, there } = await connect()
      expect(one.bufferedAmount).toBe(0)
      put(one, new Uint8Array(1000))
      expect(one.bufferedAmount).toBe(1000)
      await there.untilSize(1000)
      await turns(2)
      expect(one.bufferedAmount).toBe(0)
      expect(one.isBackedUp).toBe(false)
    })

    test('forgets a reservation that was not committed', async () => {
      const { one, there } = await connect()
      put(one, 'kept ')
      const start = one.reserve(100)
      one.bytes.fill(0x78, start, start + 100)
      put(one, 'also kept')
      await there.untilSize(14)
      await turns()
      expect(there.bytes.toString()).toBe('kept also kept')
    })

    test('is backed up by a peer that does not read, and reports when all has left', async () => {
      const { one, other, here, there } = await connect()
      other.pause()
      const bytes = marked(1024 * 1024)
      let sent = 0
      while (sent < MANY || !one.isBackedUp) {
        one.appendByReference(bytes)
        sent += bytes.length
        await turns(1)
      }
      await turns()
      expect(one.bufferedAmount).toBeGreaterThan(0)
      const drained = here.untilDrain()
      const { drains } = here
      one.notifyDrain()
      await turns()
      expect(here.drains).toBe(drains)
      other.resume()
      await there.untilSize(sent)
      await drained
      expect(one.bufferedAmount).toBe(0)
      expect(one.isBackedUp).toBe(false)
      for (let start = 0; start < sent; start += bytes.length) {
        if (start % (4 * bytes.length) !== 0) continue
        expectSame(there.bytes.subarray(start, start + bytes.length), bytes)
      }
    })

    test('reports a drain also when next to nothing waited', async () => {
      const { one, here, there } = await connect()
      put(one, 'x')
      one.flush()
      const drained = here.untilDrain()
      one.notifyDrain()
      await drained
      await there.untilSize(1)
    })

    test('delivers nothing while paused, and then all', async () => {
      const { one, other, there } = await connect()
      const bytes = marked(4 * 1024 * 1024)
      other.pause()
      await turns()
      one.appendByReference(bytes)
      await turns(50)
      expect(there.size).toBeLessThanOrEqual(subject.deliveredAfterPause)
      other.resume()
      await there.untilSize(bytes.length)
      expectSame(there.bytes, bytes)
    })

    test('stops in the midst of a stream, as often as it is told', async () => {
      const { one, other, there } = await connect()
      const bytes = marked(4 * 1024 * 1024)
      let pauses = 0
      let sizeAtPause = 0
      let isPaused = false
      there.reaction = () => {
        if (isPaused || pauses >= 10) return
        pauses++
        isPaused = true
        sizeAtPause = there.size
        other.pause()
        void turns(10).then(() => {
          expect(there.size - sizeAtPause).toBeLessThanOrEqual(subject.deliveredAfterPause)
          isPaused = false
          other.resume()
        })
      }
      one.appendByReference(bytes)
      await there.untilSize(bytes.length)
      expectSame(there.bytes, bytes)
      expect(pauses).toBeGreaterThan(0)
      await turns()
    })

    test('delivers nothing before it is started, also when it was paused and resumed', async () => {
      const { one, other } = await connectOnly()
      put(one, 'early')
      await turns()
      other.pause()
      await turns()
      other.resume()
      await turns()
      const there = new Recorder(subject.kernel())
      other.start(there)
      await there.untilSize(5)
      expect(there.bytes.toString()).toBe('early')
    })

    test('is still paused after the start when it was paused before', async () => {
      const { one, other } = await connectOnly()
      other.pause()
      const there = new Recorder(subject.kernel())
      other.start(there)
      one.appendByReference(marked(1024 * 1024))
      await turns()
      expect(there.size).toBeLessThanOrEqual(subject.deliveredAfterPause)
      other.resume()
      await there.untilSize(1024 * 1024)
    })

    test('ends one half, and still receives on the other', async () => {
      const { one, other, here, there } = await connect()
      put(one, 'last words')
      one.end()
      one.end()
      await there.untilEvent('end')
      expect(there.bytes.toString()).toBe('last words')
      expect(there.events).toEqual(['end'])
      expect(here.events).toEqual([])
      put(other, 'answer')
      await here.untilSize(6)
      expect(here.bytes.toString()).toBe('answer')
      put(one, 'too late')
      one.appendByReference(marked(100))
      one.flush()
      other.end()
      await here.untilEvent('closed')
      await there.untilEvent('closed')
      expect(here.events).toEqual(['end', 'closed'])
      expect(there.events).toEqual(['end', 'closed'])
      expect(there.bytes.toString()).toBe('last words')
      expect(here.error).toBeUndefined()
      expect(there.error).toBeUndefined()
    })

    test('delivers all before the end when both have ended while one did not read', async () => {
      const { one, other, there } = await connect()
      other.pause()
      await turns()
      const bytes = marked(300_000)
      one.appendByReference(bytes)
      one.end()
      other.end()
      await turns()
      other.resume()
      await there.untilEvent('closed')
      expectSame(there.bytes, bytes)
      expect(there.events).toEqual(['end', 'closed'])
    })

    test('drops the line, and reports it once at both ends', async () => {
      const { one, here, there } = await connect()
      put(one, 'never sent')
      one.destroy()
      one.destroy()
      await here.untilEvent('closed')
      await there.until(() => there.events.includes('closed') || there.events.includes('end'))
      put(one, 'too late')
      one.appendByReference(marked(100))
      one.flush()
      one.notifyDrain()
      one.end()
      await turns()
      expect(here.events).toEqual(['closed'])
      expect(here.error).toBeUndefined()
      expect(there.size).toBe(0)
    })

    test('drops the line with all that waits for a peer that does not read', async () => {
      const { one, other, here, there } = await connect()
      other.pause()
      for (let count = 0; count < 16 || !one.isBackedUp; count++) {
        one.appendByReference(marked(1024 * 1024))
        await turns(1)
      }
      const { drains } = here
      one.notifyDrain()
      one.destroy()
      await here.untilEvent('closed')
      expect(here.events).toEqual(['closed'])
      expect(here.drains).toBe(drains)
      other.destroy()
      await there.untilEvent('closed')
    })

    test('reports the end of the line also to who starts afterwards', async () => {
      const { one, other } = await connectOnly()
      one.destroy()
      other.destroy()
      const soon = new Recorder(subject.kernel())
      one.start(soon)
      expect(soon.events).toEqual([])
      await soon.untilEvent('closed')
      await turns()
      const later = new Recorder(subject.kernel())
      other.start(later)
      expect(later.events).toEqual([])
      await later.untilEvent('closed')
      await turns()
      expect(soon.events).toEqual(['closed'])
      expect(later.events).toEqual(['closed'])
    })

    test('carries what a handler writes while it is being told', async () => {
      const { one, other, here, there } = await connect()
      there.reaction = (bytes) => put(other, bytes)
      const bytes = marked(500_000)
      one.appendByReference(bytes)
      await here.untilSize(bytes.length)
      expectSame(here.bytes, bytes)
    })

    if (subject.hasNoAddresses === true) {
      test('has no addresses to tell', async () => {
        const { one, other } = await connect()
        expect([one.localAddress, one.remoteAddress]).toEqual([undefined, undefined])
        expect([other.localAddress, other.remoteAddress]).toEqual([undefined, undefined])
      })
    } else {
      test('tells where its ends are', async () => {
        const { one, other } = await connect()
        expect(one.localAddress).toEqual(other.remoteAddress)
        expect(one.remoteAddress).toEqual(other.localAddress)
        expect(one.localAddress!.host).toMatch(/./)
        expect(one.localAddress!.port).toBeTypeOf('number')
      })
    }
  })
}
