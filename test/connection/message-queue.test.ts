import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MessageQueue } from '../../src/connection/message-queue.ts'

describe('MessageQueue', () => {
  test('gives messages in the order in which they came', () => {
    const queue = new MessageQueue(4, 1)
    queue.push('one')
    queue.push('two')
    expect(queue.take()).toBe('one')
    queue.push('three')
    expect([queue.take(), queue.take(), queue.take()]).toEqual(['two', 'three', undefined])
  })

  test('gives an empty message, which is not the same as none', () => {
    const queue = new MessageQueue(4, 1)
    queue.push('')
    expect(queue.length).toBe(1)
    expect(queue.take()).toBe('')
    expect(queue.take()).toBeUndefined()
  })

  test('is full from the high mark until it falls to the low one', () => {
    const queue = new MessageQueue(3, 1)
    queue.push('1')
    queue.push('2')
    expect(queue.isFull).toBe(false)
    queue.push('3')
    expect(queue.isFull).toBe(true)
    queue.take()
    expect(queue.isFull).toBe(true)
    queue.take()
    expect(queue.isFull).toBe(false)
    queue.push('4')
    expect(queue.isFull).toBe(false)
  })

  test('is full with one message when the high mark is 1, until it is empty', () => {
    const queue = new MessageQueue(1, 0)
    queue.push('1')
    expect(queue.isFull).toBe(true)
    queue.take()
    expect(queue.isFull).toBe(false)
  })

  test('equals an array with two marks', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.option(fc.string(), { nil: undefined }), { maxLength: 60 }),
        (high, actions) => {
          const low = high >> 2
          const queue = new MessageQueue(high, low)
          const model: string[] = []
          let isFull = false
          for (const action of actions) {
            if (action === undefined) {
              expect(queue.take()).toBe(model.shift())
              if (model.length <= low) isFull = false
            } else {
              queue.push(action)
              model.push(action)
              if (model.length >= high) isFull = true
            }
            expect(queue.length).toBe(model.length)
            expect(queue.isFull).toBe(isFull)
          }
        },
      ),
    )
  })
})
