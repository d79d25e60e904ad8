import { describe, expect, test } from 'vitest'
import { type Flushable, flushAll, flushLater } from '../../src/transport/flush-queue.ts'

const log: string[] = []

function target(name: string, action?: () => void): Flushable {
  return {
    flush() {
      log.push(name)
      action?.()
    },
  }
}

function takeLog(): string[] {
  return log.splice(0)
}

async function endOfTurn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

describe('flushLater', () => {
  test('flushes at the end of the turn, in the order of noting', async () => {
    flushLater(target('one'))
    flushLater(target('other'))
    expect(takeLog()).toEqual([])
    await endOfTurn()
    expect(takeLog()).toEqual(['one', 'other'])
  })

  test('waits for coroutines that go on in microtasks', async () => {
    flushLater(target('one'))
    const coroutine = (async () => {
      for (let step = 0; step < 10; step++) await undefined
      flushLater(target('later'))
      log.push('coroutine')
    })()
    await coroutine
    await endOfTurn()
    expect(takeLog()).toEqual(['coroutine', 'one', 'later'])
  })

  test('works again in the next turn', async () => {
    for (const name of ['first', 'second']) {
      flushLater(target(name))
      await endOfTurn()
      expect(takeLog()).toEqual([name])
    }
  })
})

describe('flushAll', () => {
  test('flushes now, and once', async () => {
    flushLater(target('one'))
    flushAll()
    expect(takeLog()).toEqual(['one'])
    flushAll()
    await endOfTurn()
    expect(takeLog()).toEqual([])
  })

  test('flushes what is noted while it flushes', () => {
    flushLater(target('one', () => flushLater(target('noted by one'))))
    flushLater(target('two'))
    flushAll()
    expect(takeLog()).toEqual(['one', 'two', 'noted by one'])
  })

  test('flushes each once when it is called while it flushes', () => {
    flushLater(target('one', flushAll))
    flushLater(target('two'))
    flushAll()
    expect(takeLog()).toEqual(['one', 'two'])
  })

  test('forgets nothing that is noted after a call from inside', () => {
    flushLater(target('one'))
    flushLater(
      target('two', () => {
        flushAll()
        flushLater(target('noted by two'))
      }),
    )
    flushLater(target('three'))
    flushAll()
    expect(takeLog()).toEqual(['one', 'two', 'three', 'noted by two'])
  })
})
