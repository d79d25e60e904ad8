import { describe, expect, test } from 'vitest'
import { requestUrl } from '../../src/server/request-url.ts'

describe('requestUrl', () => {
  test.each([
    ['ws', 'localhost:8765', '/chat?room=1', 'ws://localhost:8765/chat?room=1'],
    ['http', 'example.com', '/', 'http://example.com/'],
    ['http', '[::1]:80', '/a%2Fb', 'http://[::1]/a%2Fb'],
    ['http', 'example.com', '//evil.example/x', 'http://example.com//evil.example/x'],
    ['http', 'example.com', '/\\evil.example', 'http://example.com//evil.example'],
    ['http', 'example.com', 'http://other.example/x', 'http://other.example/x'],
    ['http', 'example.com', '*', 'http://example.com/*'],
  ])('joins %s %s %s', (scheme, host, target, href) => {
    expect(requestUrl(scheme, host, target).href).toBe(href)
  })

  test.each(['', 'a b', 'a/b', 'a?b', 'a#b', 'user@a', 'user:secret@a', 'a:b', 'a\\b', '[::1'])(
    'refuses the host "%s"',
    (host) => {
      expect(() => requestUrl('http', host, '/')).toThrow(TypeError)
    },
  )
})
