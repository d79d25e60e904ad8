import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import type { Sendable } from '../../src/connection/sendable.ts'
import { StateError } from '../../src/errors.ts'
import { prepare } from '../../src/index.ts'
import { Outbox, type OutboxOptions } from '../../src/reconnect/outbox.ts'

function make(options: OutboxOptions = {}): { outbox: Outbox; dropped: [Sendable, string][] } {
  const dropped: [Sendable, string][] = []
  return { outbox: new Outbox(options, (message, reason) => dropped.push([message, reason])), dropped }
}

async function sendAll(outbox: Outbox): Promise<Sendable[]> {
  const sent: Sendable[] = []
  await outbox.flush(
    () => true,
    async (message) => {
      sent.push(message)
    },
  )
  return sent
}

test('drops all that waits, even a source that cannot be let go of', async () => {
  const drops: Sendable[] = []
  const outbox = new Outbox({}, (message) => drops.push(message))
  const locked = new ReadableStream<string>()
  locked.getReader()
  const outcomes = [outbox.add(locked, undefined), outbox.add('text', undefined)]
  outbox.close()
  expect(drops).toEqual([locked, 'text'])
  for (const outcome of outcomes) await expect(outcome).rejects.toMatchObject({ code: 'WS_OUTBOX_CLOSED' })
})

describe('Outbox', () => {
  test('keeps messages in order, and says when they are taken', async () => {
    const { outbox } = make()
    const bytes = Uint8Array.of(1, 2, 3)
    const added = [outbox.add('one', undefined), outbox.add(bytes, { type: 'text' })]
    expect([outbox.length, outbox.bytes]).toEqual([2, 6])
    const send = vi.fn(async () => {})
    await outbox.flush(() => true, send)
    expect(send.mock.calls).toEqual([
      ['one', undefined],
      [bytes, { type: 'text' }],
    ])
    await Promise.all(added)
    expect([outbox.length, outbox.bytes]).toEqual([0, 0])
  })

  test.each<[Sendable, number]>([
    ['', 0],
    ['abc', 3],
    ['ä', 2],
    ['中文', 6],
    ['😀', 4],
    [new Uint8Array(10), 10],
    [new ArrayBuffer(7), 7],
    [new DataView(new ArrayBuffer(8), 2), 6],
    [prepare('中文'), 6],
    [new Blob(['x']), 0],
    [['a', 'b'], 0],
  ])('counts the bytes of %o as %i', async (message, bytes) => {
    const { outbox } = make()
    void outbox.add(message, undefined)
    expect(outbox.bytes).toBe(bytes)
  })

  test('drops the newest when there is no room, and says so', async () => {
    const { outbox, dropped } = make({ maxMessages: 2 })
    void outbox.add('one', undefined)
    void outbox.add('two', undefined)
    await expect(outbox.add('three', undefined)).rejects.toMatchObject({ code: 'WS_OUTBOX_FULL' })
    expect(dropped).toEqual([['three', 'overflow']])
    expect(await sendAll(outbox)).toEqual(['one', 'two'])
  })

  test('drops the oldest when asked to', async () => {
    const { outbox, dropped } = make({ maxBytes: 6, overflow: 'drop-oldest' })
    const first = outbox.add('one', undefined)
    void outbox.add('two', undefined)
    void outbox.add('last', undefined)
    await expect(first).rejects.toBeInstanceOf(StateError)
    expect(dropped).toEqual([
      ['one', 'overflow'],
      ['two', 'overflow'],
    ])
    expect(await sendAll(outbox)).toEqual(['last'])
  })

  test.each(['drop-newest', 'drop-oldest'] as const)(
    'drops nothing else for a message that could never fit: %s',
    async (overflow) => {
      const { outbox, dropped } = make({ maxBytes: 5, overflow })
      void outbox.add('small', undefined)
      await expect(outbox.add('larger', undefined)).rejects.toMatchObject({ code: 'WS_OUTBOX_FULL' })
      expect(dropped).toEqual([['larger', 'overflow']])
      expect(await sendAll(outbox)).toEqual(['small'])
      const none = make({ maxMessages: 0, overflow })
      await expect(none.outbox.add('', undefined)).rejects.toMatchObject({ code: 'WS_OUTBOX_FULL' })
    },
  )

  test('sends nothing twice: what was handed over is gone, whatever becomes of it', async () => {
    const { outbox } = make()
    const added = [outbox.add('one', undefined), outbox.add('two', undefined), outbox.add('three', undefined)]
    let isOpen = true
    const sent: Sendable[] = []
    await outbox.flush(
      () => isOpen,
      async (message) => {
        sent.push(message)
        if (message === 'two') {
          isOpen = false
          throw new Error('cut off')
        }
      },
    )
    await expect(added[1]).rejects.toThrow('cut off')
    expect(outbox.length).toBe(1)
    expect([...sent, ...(await sendAll(outbox))]).toEqual(['one', 'two', 'three'])
    await added[2]
  })

  test('sends what is added while it sends, behind the rest', async () => {
    const { outbox } = make()
    void outbox.add('one', undefined)
    const sent: Sendable[] = []
    await outbox.flush(
      () => true,
      async (message) => {
        sent.push(message)
        if (message === 'one') void outbox.add('two', undefined)
        await Promise.resolve()
      },
    )
    expect(sent).toEqual(['one', 'two'])
  })

  test('drops all that waits when it is closed, and lets go of sources', async () => {
    const { outbox, dropped } = make()
    const cancel = vi.fn()
    const stream = new ReadableStream<string>({ cancel })
    const text = outbox.add('text', undefined)
    const source = outbox.add(stream as never, undefined)
    outbox.close()
    await expect(text).rejects.toMatchObject({ code: 'WS_OUTBOX_CLOSED' })
    await expect(source).rejects.toMatchObject({ code: 'WS_OUTBOX_CLOSED' })
    expect(dropped.map(([, reason]) => reason)).toEqual(['closed', 'closed'])
    await vi.waitFor(() => expect(cancel).toHaveBeenCalled())
    expect([outbox.length, outbox.bytes]).toEqual([0, 0])
  })

  test.each([undefined, null, 42, {}, () => {}])('refuses %o, which is no message', (value) => {
    expect(() => make().outbox.add(value as never, undefined)).toThrow(TypeError)
  })

  test.each([
    ['maxMessages', -1],
    ['maxBytes', 1.5],
    ['overflow', 'block'],
  ])('refuses %s as %o', (name, value) => {
    expect(() => make({ [name]: value } as never)).toThrow(`outbox.${name}`)
  })

  test('never holds more than its bounds, and never loses a message without a word', async () => {
    const shape = fc.record({
      maxMessages: fc.nat(5),
      maxBytes: fc.nat(30),
      overflow: fc.constantFrom('drop-newest' as const, 'drop-oldest' as const),
    })
    await fc.assert(
      fc.asyncProperty(shape, fc.array(fc.string({ maxLength: 12 })), async (options, messages) => {
        const { outbox, dropped } = make(options)
        const tagged = messages.map((text, index) => `${index}${text}`)
        for (const message of tagged) {
          outbox.add(message, undefined).catch(() => {})
          expect(outbox.length).toBeLessThanOrEqual(options.maxMessages)
          expect(outbox.bytes).toBeLessThanOrEqual(options.maxBytes)
        }
        const sent = await sendAll(outbox)
        expect([...sent, ...dropped.map(([message]) => message)].sort()).toEqual([...tagged].sort())
        expect(sent).toEqual(tagged.filter((message) => sent.includes(message)))
      }),
    )
  })
})
