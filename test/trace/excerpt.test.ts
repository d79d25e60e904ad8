import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Excerpt } from '../../src/trace/excerpt.ts'
import { cutAt, naiveMask, pattern, RFC_KEY } from '../support/bytes.ts'

test('remembers the beginning and the end, however a payload is cut and masked', () => {
  fc.assert(
    fc.property(
      fc.nat(300),
      fc.nat(100),
      fc.array(fc.nat(300)),
      fc.constantFrom(0, RFC_KEY, -1),
      (size, limit, places, key) => {
        const payload = pattern(size)
        const excerpt = new Excerpt(limit)
        for (const chunk of cutAt(
          naiveMask(payload, key),
          places.map((place) => place % (size + 1)),
        )) {
          // What is taken may lie anywhere in the memory it is in.
          const memory = new Uint8Array(chunk.length + 7)
          memory.set(chunk, 3)
          excerpt.add(memory, 3, 3 + chunk.length, key)
        }
        expect(excerpt.size).toBe(size)
        const taken = excerpt.take()
        expect(taken.size).toBe(size)
        expect(taken.head).toEqual(payload.slice(0, limit))
        expect(taken.tail).toEqual(payload.slice(Math.max(0, size - Math.floor(limit / 3))))
        expect(excerpt.take()).toMatchObject({ size: 0, head: new Uint8Array(0) })
      },
    ),
  )
})

test('lends nothing that is written again', () => {
  const excerpt = new Excerpt(9)
  excerpt.add(Uint8Array.of(1, 2, 3), 0, 3)
  const first = excerpt.take()
  excerpt.add(Uint8Array.of(7, 8, 9), 0, 3)
  expect(first.head).toEqual(Uint8Array.of(1, 2, 3))
  expect(first.tail).toEqual(Uint8Array.of(1, 2, 3))
})
