import { describe, expect, test } from 'vitest'
import { PackedRequest, RequestText } from '../../src/connection/packed-head.ts'
import { readRequestHead } from '../../src/handshake/request-head.ts'
import { handshake } from '../support/raw-client.ts'

describe('RequestText', () => {
  const text = handshake({ 'X-Token': 'abc', 'X-Latin': '\xe9' }, 'GET /chat?room=1 HTTP/1.1')

  test('gives back the target and the headers of the text', () => {
    const request = new RequestText(text)
    expect(request.target).toBe('/chat?room=1')
    expect(request.headers).toEqual(readRequestHead(text, 100)!.headers)
    expect(request.headers).toMatchObject({ host: 'localhost', 'x-token': 'abc', 'x-latin': '\xe9' })
  })

  test('reads the headers once', () => {
    const request = new RequestText(text)
    expect(request.headers).toBe(request.headers)
  })

  test('sets no limit to the number of lines: that was held when they came', () => {
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`X-${index}`, `${index}`]))
    expect(Object.keys(new RequestText(handshake(many)).headers)).toHaveLength(205)
  })
})

test('PackedRequest gives back the headers that it was made from, each as one string', () => {
  const request = new PackedRequest('/chat?room=1', {
    host: 'example.com',
    'x-empty': '',
    'set-cookie': ['a=1', 'b=2'],
    'x-none': undefined,
  })
  expect(request.target).toBe('/chat?room=1')
  expect(request.headers).toEqual({
    host: 'example.com',
    'x-empty': '',
    'set-cookie': 'a=1, b=2',
    'x-none': '',
  })
  expect(request.headers).toBe(request.headers)
})

test('PackedRequest can have no headers', () => {
  expect(new PackedRequest('/', {}).headers).toEqual({})
})
