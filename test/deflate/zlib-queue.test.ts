import { beforeEach, describe, expect, test, vi } from 'vitest'

type Module = typeof import('../../src/deflate/zlib-queue.ts')

let enqueue: Module['enqueue']

// The queue is one for the whole process: each test has a process of its own, as far as it can tell.
beforeEach(async () => {
  vi.resetModules()
  enqueue = (await import('../../src/deflate/zlib-queue.ts')).enqueue
})

/** Enqueue work that ends when it is told to, and tell which has begun. */
function fill(count: number): { begun: number[]; leave: (() => void)[] } {
  const begun: number[] = []
  const leave: (() => void)[] = []
  for (let index = 0; index < count; index++) {
    enqueue((done) => {
      begun.push(index)
      leave[index] = done
    })
  }
  return { begun, leave }
}

describe('enqueue', () => {
  test('begins work at once while few are under way', () => {
    expect(fill(8).begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  test('begins no more than eight at once', () => {
    const { begun } = fill(20)
    expect(begun).toHaveLength(8)
  })

  test('begins what waits in order, one for each that leaves', () => {
    const { begun, leave } = fill(12)
    leave[5]!()
    expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
    leave[0]!()
    leave[8]!()
    expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  test('takes leaving twice for once', () => {
    const { begun, leave } = fill(12)
    leave[0]!()
    leave[0]!()
    leave[0]!()
    expect(begun).toHaveLength(9)
    for (const each of leave) each()
    for (const each of leave) each()
    expect(begun).toHaveLength(12)
    // All places are free again, and no more than these.
    expect(fill(20).begun).toHaveLength(8)
  })

  test('goes on when work leaves before it returns', () => {
    const order: number[] = []
    for (let index = 0; index < 100; index++) {
      enqueue((leave) => {
        order.push(index)
        leave()
      })
    }
    expect(order).toEqual(Array.from({ length: 100 }, (_, index) => index))
    expect(fill(20).begun).toHaveLength(8)
  })

  test('lets work enqueue more', () => {
    const order: string[] = []
    enqueue((leave) => {
      order.push('first')
      enqueue((leaveToo) => {
        order.push('within')
        leaveToo()
      })
      leave()
    })
    expect(order).toEqual(['first', 'within'])
  })

  test('does not grow the stack with thousands that have nothing to do any more', () => {
    const { leave } = fill(8)
    let ended = 0
    for (let count = 0; count < 20_000; count++) {
      enqueue((done) => {
        ended++
        done()
      })
    }
    expect(ended).toBe(0)
    leave[0]!()
    expect(ended).toBe(20_000)
  })
})
