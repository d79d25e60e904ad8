import { expect, test } from 'vitest'
import { MessageDeadline } from '../../src/connection/message-deadline.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { TimerWheel } from '../../src/timing/timer-wheel.ts'

function watch(timeout: number) {
  const clock = new FakeClock()
  const target = {
    isReadingPaused: false,
    timeouts: 0,
    messageTimedOut() {
      target.timeouts++
    },
  }
  return { clock, target, deadline: new MessageDeadline(new TimerWheel(clock), timeout, target) }
}

test('tells once when the time is over', async () => {
  const { clock, target } = watch(1000)
  await clock.advance(900)
  expect(target.timeouts).toBe(0)
  await clock.advance(5000)
  expect(target.timeouts).toBe(1)
})

test('blames nobody while reading is paused, and looks again after the same time', async () => {
  const { clock, target } = watch(1000)
  target.isReadingPaused = true
  await clock.advance(3500)
  expect(target.timeouts).toBe(0)
  target.isReadingPaused = false
  await clock.advance(1000)
  expect(target.timeouts).toBe(1)
})

test('blames nobody for a loop that stood still, and gives as much time again', async () => {
  const { clock, target } = watch(1000)
  await clock.advance(500)
  await clock.jump(10_000)
  expect(target.timeouts).toBe(0)
  await clock.advance(900)
  expect(target.timeouts).toBe(0)
  await clock.advance(200)
  expect(target.timeouts).toBe(1)
})

test('blames nobody for a message whose rest lies before the door', async () => {
  const { clock, deadline, target } = watch(1000)
  const afterInput = clock.afterInput.bind(clock)
  clock.afterInput = (callback) => {
    deadline.stop()
    afterInput(callback)
  }
  await clock.advance(5000)
  expect(target.timeouts).toBe(0)
})

test('tells nothing once it was stopped', async () => {
  const { clock, deadline, target } = watch(1000)
  deadline.stop()
  await clock.advance(5000)
  expect(target.timeouts).toBe(0)
})
