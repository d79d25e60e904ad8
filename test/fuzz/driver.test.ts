// The fuzzer itself: it finds planted bugs, makes what it found small, and can do the same again.

import { describe, expect, test } from 'vitest'
import { concat } from '../../fuzz/bytes.ts'
import { BYTE_BY_BYTE, cut, WHOLE } from '../../fuzz/chunker.ts'
import { formatInput, parseInput } from '../../fuzz/corpus.ts'
import { fuzz } from '../../fuzz/driver.ts'
import { checkLinear, pump } from '../../fuzz/linear.ts'
import { Random } from '../../fuzz/random.ts'
import { shrink } from '../../fuzz/shrink.ts'
import type { Target } from '../../fuzz/target.ts'
import { createFramesTarget } from '../../fuzz/targets/frames.ts'
import { hex, toHex } from '../support/bytes.ts'

describe('driver', () => {
  test('finds a transport that drops the last byte of some chunks, and makes the input small', () => {
    const leaky = createFramesTarget(({ protocol }, _kernel, chunk) => {
      protocol.receiveData(chunk.length === 7 ? chunk.subarray(0, 6) : chunk)
    })
    const { failure, runs } = fuzz(leaky, { seed: 1, runs: 2000, corpus: [] })
    expect(failure).toBeDefined()
    expect(runs).toBeLessThan(2000)
    // Seven bytes of setup, and hardly more than one chunk.
    expect(failure!.shrunk.length).toBeLessThanOrEqual(20)
    expect(() => leaky.run(failure!.shrunk)).toThrow()
  })

  test('finds a transport that swaps chunks while the connection is paused', () => {
    const waiting: Uint8Array[] = []
    const swapping = createFramesTarget((session, _kernel, chunk) => {
      if (session.isPaused && waiting.length === 0) {
        waiting.push(chunk)
        return
      }
      session.protocol.receiveData(chunk)
      for (const late of waiting.splice(0)) session.protocol.receiveData(late)
    })
    expect(fuzz(swapping, { seed: 1, runs: 2000, corpus: [] }).failure).toBeDefined()
  })

  test('finds nothing in the same target without a fault', () => {
    const { failure, runs } = fuzz(createFramesTarget(), { seed: 1, runs: 300, corpus: [] })
    expect(failure).toBeUndefined()
    expect(runs).toBe(300)
  })

  test('keeps inputs after which something new happened, and goes on from them', () => {
    // Each byte that is right is a new behaviour; without feedback, all four would take 2^32 inputs.
    const secret = [0xca, 0xfe, 0xba, 0xbe]
    const lock: Target = {
      name: 'lock',
      generate: (random) => random.bytes(4),
      run(input) {
        let right = 0
        while (right < secret.length && input[right] === secret[right]) right++
        if (right === secret.length) throw new Error('open')
        return `${right}`
      },
    }
    const { failure } = fuzz(lock, { seed: 3, runs: 200_000, corpus: [] })
    expect(toHex(failure!.shrunk)).toBe('ca fe ba be')
  })

  test('does the same again with the same seed, and something else with another', () => {
    const inputsOf = (seed: number): string[] => {
      const inputs: string[] = []
      fuzz(createFramesTarget(), { seed, runs: 50, corpus: [], onRun: (input) => inputs.push(toHex(input)) })
      return inputs
    }
    expect(inputsOf(7)).toEqual(inputsOf(7))
    expect(inputsOf(7)).not.toEqual(inputsOf(8))
  })

  test('runs the corpus first', () => {
    const corpus = [hex('01'), hex('02 03')]
    const inputs: string[] = []
    const target: Target = { name: 'any', generate: (random) => random.bytes(3), run: () => '' }
    fuzz(target, { seed: 1, runs: 3, corpus, onRun: (input) => inputs.push(toHex(input)) })
    expect(inputs.slice(0, 2)).toEqual(['01', '02 03'])
  })

  test('ends in time', () => {
    const target: Target = { name: 'any', generate: (random) => random.bytes(3), run: () => '' }
    const { runs, seconds } = fuzz(target, { seed: 1, seconds: 0.02, corpus: [] })
    expect(runs).toBeGreaterThan(0)
    expect(seconds).toBeLessThan(2)
  })
})

describe('shrink', () => {
  test('removes and simplifies what a failure does not need', () => {
    const input = new Random(5).bytes(500)
    input[313] = 0x88
    const shrunk = shrink(input, (candidate) => candidate.some((byte) => byte >= 0x80))
    expect(toHex(shrunk)).toBe('80')
  })

  test('gives an input back that fails only as it is', () => {
    const input = hex('01 02 03')
    expect(shrink(input, () => false)).toBe(input)
  })

  test('gives up after so many attempts', () => {
    let attempts = 0
    const fails = (): boolean => {
      attempts++
      return false
    }
    shrink(new Uint8Array(1000).fill(1), fails, 100)
    expect(attempts).toBe(100)
  })
})

describe('chunker', () => {
  test('cuts bytes so that they give the whole, whatever the plan', () => {
    const bytes = new Random(1).bytes(3000)
    for (let plan = 0; plan < 0x10000; plan += 97) {
      if (Buffer.compare(concat(cut(bytes, plan)), bytes) !== 0) expect.fail(`plan ${plan}`)
    }
  })

  test('leaves them whole, cuts byte by byte, evenly, and at random', () => {
    const bytes = hex('01 02 03 04 05')
    expect(cut(bytes, WHOLE)).toEqual([bytes])
    expect(cut(bytes, BYTE_BY_BYTE).map(toHex)).toEqual(['01', '02', '03', '04', '05'])
    expect(cut(bytes, 4).map(toHex)).toEqual(['01 02', '03 04', '05'])
    const sizes = new Set(cut(new Uint8Array(100_000), 4711).map(({ length }) => length))
    expect(sizes.size).toBeGreaterThan(10)
    expect(sizes.has(0)).toBe(true)
  })
})

describe('corpus files', () => {
  test('hold hexadecimal pairs, quoted text and comments', () => {
    expect(toHex(parseInput('# a "frame"\n81 05 "Hello"\n0a0B # end\n'))).toBe('81 05 48 65 6c 6c 6f 0a 0b')
    expect(parseInput('')).toHaveLength(0)
  })

  test('hold nothing else', () => {
    for (const text of ['8', 'xy', '"open', '81 5', '"é"'])
      expect(() => parseInput(text)).toThrow(SyntaxError)
  })

  test('give back what was written', () => {
    const input = new Random(9).bytes(100)
    expect(parseInput(formatInput(input, 'two\nlines'))).toEqual(Uint8Array.from(input))
  })
})

describe('linear time', () => {
  test('finds a regular expression that is quadratic', () => {
    const slow = (value: string): void => {
      value.split(/ *, */)
    }
    const value = pump('a        b', 12345)
    expect(value.length).toBeGreaterThan(60_000)
    expect(() => checkLinear(() => slow(`x${' '.repeat(24 * 1024)}x`), 'the split')).toThrow(/takes \d+ ms/)
    checkLinear(() => value.split(','), 'another split')
  })
})
