import { expect, test } from 'vitest'
import { EventLoop, enableTrace, getEventLoop, serve, upgrade } from '../../src/browser/server-side.ts'

test.each([
  ['serve()', serve],
  ['upgrade()', upgrade],
  ['enableTrace()', enableTrace],
  ['getEventLoop()', getEventLoop],
  ['an EventLoop', () => new EventLoop()],
])('%s throws at once', (name, call) => {
  expect(call).toThrow(expect.objectContaining({ code: 'WS_NOT_IN_BROWSER' }))
  expect(call).toThrow(name)
})
