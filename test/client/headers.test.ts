import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { type HeaderSource, listHeaders } from '../../src/client/headers.ts'

describe('listHeaders', () => {
  test.each<[string, HeaderSource, [string, string][]]>([
    [
      'an object',
      { 'X-A': 'b', 'X-C': '' },
      [
        ['X-A', 'b'],
        ['X-C', ''],
      ],
    ],
    ['an object without a prototype', Object.assign(Object.create(null), { 'X-A': 'b' }), [['X-A', 'b']]],
    ['an object of another realm', runInNewContext('({ "X-A": "b" })'), [['X-A', 'b']]],
    ['Headers', new Headers({ 'X-A': 'b' }), [['x-a', 'b']]],
    ['a Map', new Map([['X-A', 'b']]), [['X-A', 'b']]],
    [
      'a list of pairs',
      [
        ['X-A', 'b'],
        ['X-A', 'c'],
      ],
      [
        ['X-A', 'b'],
        ['X-A', 'c'],
      ],
    ],
    ['what can be gone through once', new Map([['X-A', 'b']]).entries(), [['X-A', 'b']]],
    ['nothing in them', new Headers(), []],
  ])('takes %s', (_what, headers, expected) => {
    expect(listHeaders(headers)).toEqual(expected)
  })

  test.each([
    ['a string', 'X-A: b'],
    ['null', null],
    ['a number', 1],
    ['a list of strings', ['X-A', 'b']],
    ['a list of lists that are no pairs', [['X-A']]],
    ['triples', [['X-A', 'b', 'c']]],
    ['a set', new Set(['X-A'])],
    ['another object', new URL('ws://localhost/')],
    ['a promise', Promise.resolve({})],
  ])('refuses %s, by the name of the option', (_what, headers) => {
    expect(() => listHeaders(headers, 'proxy.headers')).toThrow(/^proxy\.headers must/)
  })
})
