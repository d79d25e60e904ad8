import { afterEach, describe, expect, test, vi } from 'vitest'
import { beginTurn, endTurn, type Flushable, flushAll, flushLater } from '../../src/transport/flush-queue.ts'

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

afterEach(() => vi.restoreAllMocks())

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

describe('beginTurn and endTurn', () => {
  test('flush what was noted in between, at the end and in the order of noting', () => {
    beginTurn()
    flushLater(target('one'))
    flushLater(target('other'))
    log.push('handled')
    endTurn()
    expect(takeLog()).toEqual(['handled', 'one', 'other'])
  })

  test('schedule nothing for what was noted in between', async () => {
    await endOfTurn()
    const nextTick = vi.spyOn(process, 'nextTick')
    beginTurn()
    flushLater(target('one'))
    endTurn()
    await undefined
    await undefined
    expect(nextTick).not.toHaveBeenCalled()
    await endOfTurn()
    expect(takeLog()).toEqual(['one'])
  })

  test('do nothing when nothing was noted', async () => {
    beginTurn()
    endTurn()
    endTurn()
    await endOfTurn()
    expect(takeLog()).toEqual([])
  })

  test('leave what is noted afterwards to the end of the turn', async () => {
    beginTurn()
    flushLater(target('in between'))
    endTurn()
    flushLater(target('afterwards'))
    expect(takeLog()).toEqual(['in between'])
    await endOfTurn()
    expect(takeLog()).toEqual(['afterwards'])
  })

  test('leave what a coroutine notes in a microtask to the end of the turn', async () => {
    beginTurn()
    const coroutine = (async () => {
      await undefined
      flushLater(target('from the coroutine'))
    })()
    flushLater(target('in between'))
    endTurn()
    await coroutine
    expect(takeLog()).toEqual(['in between'])
    await endOfTurn()
    expect(takeLog()).toEqual(['from the coroutine'])
  })

  test('flush what was noted before them, and once', async () => {
    flushLater(target('before'))
    beginTurn()
    flushLater(target('in between'))
    endTurn()
    expect(takeLog()).toEqual(['before', 'in between'])
    await endOfTurn()
    expect(takeLog()).toEqual([])
  })

  test('flush what is noted by what they flush', async () => {
    beginTurn()
    flushLater(target('one', () => flushLater(target('noted by one'))))
    flushLater(target('two'))
    endTurn()
    expect(takeLog()).toEqual(['one', 'two', 'noted by one'])
    await endOfTurn()
    expect(takeLog()).toEqual([])
  })

  test('forget nothing when a turn lies within another, as when a write delivers input', async () => {
    beginTurn()
    flushLater(target('outer'))
    beginTurn()
    flushLater(target('inner'))
    endTurn()
    expect(takeLog()).toEqual(['outer', 'inner'])
    flushLater(target('outer again'))
    endTurn()
    expect(takeLog()).toEqual(['outer again'])
    await endOfTurn()
    expect(takeLog()).toEqual([])
  })

  test('forget nothing when a turn lies within the flushing of another', async () => {
    beginTurn()
    flushLater(
      target('one', () => {
        beginTurn()
        flushLater(target('noted within'))
        endTurn()
        flushLater(target('noted by one'))
      }),
    )
    flushLater(target('two'))
    endTurn()
    expect(takeLog()).toEqual(['one', 'two', 'noted within', 'noted by one'])
    flushLater(target('afterwards'))
    await endOfTurn()
    expect(takeLog()).toEqual(['afterwards'])
  })
})
