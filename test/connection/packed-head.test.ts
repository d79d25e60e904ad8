import { expect, test } from 'vitest'
import { PackedRequest } from '../../src/connection/packed-head.ts'

test('gives back the headers that it was made from, each as one string', () => {
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

test('can have no headers', () => {
  expect(new PackedRequest('/', {}).headers).toEqual({})
})
