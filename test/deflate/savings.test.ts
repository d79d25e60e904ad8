import { describe, expect, test } from 'vitest'
import { Savings } from '../../src/deflate/savings.ts'

/** Let messages pass of which compression makes this, and tell which of them were compressed. */
function pass(savings: Savings, count: number, ratio: number): boolean[] {
  return Array.from({ length: count }, () => {
    const isTried = savings.shouldTry()
    if (isTried) savings.note(1000, Math.round(1000 * ratio))
    return isTried
  })
}

function countOf(tried: readonly boolean[]): number {
  return tried.filter(Boolean).length
}

/** How many messages passed between the one that is tried at last and the next. */
function restsIn(tried: readonly boolean[]): number[] {
  return tried
    .map((isTried) => (isTried ? 'T' : '.'))
    .join('')
    .split(/T+/)
    .map(({ length }) => length)
    .filter((length) => length > 0)
}

describe('Savings', () => {
  test('compresses what shrinks, always', () => {
    expect(pass(new Savings(), 1000, 0.3)).not.toContain(false)
  })

  test('leaves off after a few messages that do not shrink', () => {
    const savings = new Savings()
    expect(pass(savings, 20, 1.001)).toEqual([...Array(4).fill(true), ...Array(16).fill(false)])
  })

  test('leaves off where less than a tenth is saved, and not where it is more', () => {
    expect(pass(new Savings(), 100, 0.95)).toContain(false)
    expect(pass(new Savings(), 100, 0.89)).not.toContain(false)
  })

  test('says whether it rests, without counting', () => {
    const savings = new Savings()
    expect(savings.isResting).toBe(false)
    pass(savings, 4, 1)
    for (let again = 0; again < 100; again++) expect(savings.isResting).toBe(true)
    pass(savings, 16, 1)
    expect(savings.isResting).toBe(false)
  })

  test('tries again after longer and longer rests, but never gives up', () => {
    const rests = restsIn(pass(new Savings(), 3000, 1))
    expect(rests.slice(0, 8)).toEqual([16, 32, 64, 128, 256, 256, 256, 256])
  })

  test('starts again as soon as what it tries shrinks', () => {
    const savings = new Savings()
    pass(savings, 4 + 16, 1)
    expect(pass(savings, 500, 0.2)).not.toContain(false)
  })

  test('notices within a few hundred messages that traffic shrinks again, however long it did not', () => {
    const savings = new Savings()
    pass(savings, 100_000, 1)
    const tried = pass(savings, 600, 0.2)
    expect(tried.indexOf(true)).toBeLessThanOrEqual(256)
    expect(tried.slice(tried.indexOf(true))).not.toContain(false)
  })

  test('begins with short rests after traffic that shrank', () => {
    const savings = new Savings()
    pass(savings, 2000, 1)
    pass(savings, 300, 0.2)
    expect(restsIn(pass(savings, 60, 1))[0]).toBe(16)
  })

  test('is not moved by a single message of another kind', () => {
    const savings = new Savings()
    pass(savings, 100, 0.3)
    expect(pass(savings, 1, 1)).toEqual([true])
    expect(pass(savings, 100, 0.3)).not.toContain(false)
  })

  test('leaves off within two dozen messages when traffic turns incompressible', () => {
    const savings = new Savings()
    pass(savings, 10_000, 0.1)
    expect(countOf(pass(savings, 40, 1))).toBeLessThanOrEqual(24)
  })

  test('keeps compressing a mixture in which half of the messages shrink to half', () => {
    const savings = new Savings()
    // The first message of all weighs more than those that follow.
    pass(savings, 10, 0.5)
    let tried = 0
    for (let turn = 0; turn < 500; turn++)
      tried += countOf([...pass(savings, 1, 1), ...pass(savings, 1, 0.5)])
    expect(tried).toBe(1000)
  })
})
