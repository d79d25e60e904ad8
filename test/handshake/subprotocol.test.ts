import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { assertSubprotocols, parseSubprotocols, selectSubprotocol } from '../../src/handshake/subprotocol.ts'
import { expectLinear, HOSTILE_VALUES, tokens } from './support.ts'

describe('parseSubprotocols', () => {
  test.each([
    ['chat', ['chat']],
    ['chat, superchat', ['chat', 'superchat']],
    ['chat,Chat', ['chat', 'Chat']],
    [', chat ,,', ['chat']],
    ['constructor, __proto__', ['constructor', '__proto__']],
  ])('reads %j', (value, expected) => {
    expect(parseSubprotocols(value)).toEqual(expected)
  })

  test.each(['', ' ', ',', 'a b', 'a, a', 'a, b, a', 'a/b', '"a"', 'a\0'])('refuses %j', (value) => {
    expect(parseSubprotocols(value)).toBeUndefined()
  })

  test('reads back what was joined', () => {
    // Invariant: unique tokens, joined, come back in the same order.
    fc.assert(
      fc.property(fc.uniqueArray(tokens, { minLength: 1 }), (names) => {
        expect(parseSubprotocols(names.join(', '))).toEqual(names)
        expect(parseSubprotocols([...names, names[0]].join(','))).toBeUndefined()
        expect(() => assertSubprotocols(names)).not.toThrow()
      }),
    )
  })

  test.each(HOSTILE_VALUES)('CVE-2021-32640: reads %s in linear time', (_what, make) => {
    expectLinear(make, parseSubprotocols)
  })
})

describe('assertSubprotocols', () => {
  test('accepts an empty list', () => {
    expect(() => assertSubprotocols([])).not.toThrow()
  })

  test.each<[string, unknown, string]>([
    ['a string', 'chat', 'must be an array of names'],
    ['a name that is empty', [''], 'not ""'],
    ['a name with a space', ['my chat'], 'not "my chat"'],
    ['a name with a line break', ['a\r\nX: y'], 'not "a\\r\\nX: y"'],
    ['a name that is a number', [1], 'not a number'],
    ['a name given twice', ['chat', 'superchat', 'chat'], 'names "chat" twice'],
  ])('refuses %s', (_what, names, message) => {
    const assert = (): void => assertSubprotocols(names as string[])
    expect(assert).toThrow(TypeError)
    expect(assert).toThrow('the option "subprotocols"')
    expect(assert).toThrow(message)
  })
})

describe('selectSubprotocol', () => {
  test.each<[string[], string[], string | undefined]>([
    [['b', 'a'], ['a', 'b'], 'b'],
    [['x', 'a'], ['a', 'b'], 'a'],
    [['x'], ['a'], undefined],
    [['Chat'], ['chat'], undefined],
    [[], ['a'], undefined],
    [['a'], [], undefined],
    [['constructor'], [], undefined],
  ])('chooses from %j among %j', (supported, offered, expected) => {
    expect(selectSubprotocol(supported, offered)).toBe(expected)
  })
})
