import { describe, expect, test } from 'vitest'
import { headerLines, observeRequest, observerOf } from '../../src/trace/handshakes.ts'
import { LineLog } from './support.ts'

const request = {
  method: 'GET',
  target: '/',
  httpVersion: '1.1',
  lines: () => headerLines(['Host', 'a', 'X-A', '1', 'X-A', '2']),
}

describe('observeRequest', () => {
  test('tells of the request, and is found again through the socket', () => {
    const log = new LineLog()
    const socket = {}
    const observer = observeRequest(request, socket, log)
    expect(observerOf(socket)).toBe(observer)
    expect(log.lines).toEqual([
      '= connection is CONNECTING',
      '< GET / HTTP/1.1',
      '< Host: a',
      '< X-A: 1',
      '< X-A: 2',
    ])
  })

  test('remembers nothing when nobody wants to know', () => {
    const socket = {}
    expect(observeRequest(request, socket, false)).toBeUndefined()
    expect(observerOf(socket)).toBeUndefined()
  })
})

test('headerLines pairs names and values, and drops what has no value', () => {
  expect(headerLines(['A', '1', 'B', '2', 'C'])).toEqual([
    ['A', '1'],
    ['B', '2'],
  ])
})
