import { describe, expect, test } from 'vitest'
import { PendingPings } from '../../src/connection/pending-pings.ts'
import { StateError } from '../../src/errors.ts'
import { hex, utf8 } from '../support/bytes.ts'

/** Note what becomes of a ping. */
function recorder(): {
  results: unknown[]
  settle: { resolve(value: number): void; reject(error: Error): void }
} {
  const results: unknown[] = []
  return {
    results,
    settle: { resolve: (latency) => results.push(latency), reject: (error) => results.push(error) },
  }
}

describe('PendingPings', () => {
  test('tells the latency when the pong comes', () => {
    const pings = new PendingPings()
    const { results, settle } = recorder()
    pings.add(utf8('a'), 100, settle)
    expect(pings.size).toBe(1)
    expect(pings.acknowledge(utf8('a'), 130)).toBe(30)
    expect(results).toEqual([30])
    expect(pings.size).toBe(0)
  })

  test('settles earlier pings with a later pong, each with its own latency', () => {
    const pings = new PendingPings()
    const { results, settle } = recorder()
    pings.add(utf8('a'), 0, settle)
    pings.add(utf8('b'), 10, settle)
    pings.add(utf8('c'), 20, settle)
    expect(pings.acknowledge(utf8('b'), 50)).toBe(40)
    expect(results).toEqual([50, 40])
    expect(pings.size).toBe(1)
  })

  test('ignores pongs that answer nothing', () => {
    const pings = new PendingPings()
    expect(pings.acknowledge(utf8('a'), 1)).toBeUndefined()
    pings.add(utf8('a'), 0, undefined)
    expect(pings.acknowledge(utf8('b'), 1)).toBeUndefined()
    expect(pings.acknowledge(utf8(''), 1)).toBeUndefined()
    expect(pings.size).toBe(1)
    expect(pings.acknowledge(utf8('a'), 2)).toBe(2)
  })

  test('refuses a payload that is under way, and takes it again afterwards', () => {
    const pings = new PendingPings()
    pings.add(utf8('a'), 0, undefined)
    expect(() => pings.assertFree(utf8('a'))).toThrow(StateError)
    pings.assertFree(utf8('b'))
    pings.acknowledge(utf8('a'), 1)
    pings.assertFree(utf8('a'))
  })

  test('tells payloads apart that are no text', () => {
    const pings = new PendingPings()
    pings.add(hex('ff'), 0, undefined)
    pings.assertFree(hex('fe'))
    pings.assertFree(hex('ff 00'))
    expect(() => pings.assertFree(hex('00 ff').subarray(1))).toThrow(StateError)
  })

  test('takes a payload that is far too long to be sent', () => {
    new PendingPings().assertFree(new Uint8Array(1024 * 1024))
  })

  test('forgets a ping', () => {
    const pings = new PendingPings()
    const { results, settle } = recorder()
    pings.add(utf8('a'), 0, settle)
    pings.remove(utf8('a'))
    expect(pings.acknowledge(utf8('a'), 1)).toBeUndefined()
    expect(results).toEqual([])
  })

  test('rejects all that wait', () => {
    const pings = new PendingPings()
    const { results, settle } = recorder()
    const error = new Error('gone')
    pings.add(utf8('a'), 0, settle)
    pings.add(utf8('b'), 0, undefined)
    pings.add(utf8('c'), 0, settle)
    pings.rejectAll(error)
    expect(results).toEqual([error, error])
    expect(pings.size).toBe(0)
  })

  test('smooths the latency: the first counts whole, each later one an eighth', () => {
    const pings = new PendingPings()
    expect([pings.latency, pings.smoothedLatency]).toEqual([undefined, undefined])
    pings.add(utf8('a'), 0, undefined)
    pings.acknowledge(utf8('a'), 80)
    expect([pings.latency, pings.smoothedLatency]).toEqual([80, 80])
    pings.add(utf8('b'), 100, undefined)
    pings.acknowledge(utf8('b'), 340)
    expect([pings.latency, pings.smoothedLatency]).toEqual([240, 100])
    pings.add(utf8('c'), 400, undefined)
    pings.acknowledge(utf8('c'), 420)
    expect([pings.latency, pings.smoothedLatency]).toEqual([20, 90])
  })

  test('notes when the last ping was sent and answered', () => {
    const pings = new PendingPings()
    expect([pings.sentAt, pings.answeredAt]).toEqual([undefined, undefined])
    pings.add(utf8('a'), 10.2, undefined)
    pings.add(utf8('b'), 20.2, undefined)
    pings.acknowledge(utf8('a'), 30.2)
    pings.acknowledge(utf8('none'), 40.2)
    expect([pings.sentAt, pings.answeredAt]).toEqual([20, 30])
    pings.acknowledge(utf8('b'), 50.2)
    expect([pings.sentAt, pings.answeredAt]).toEqual([20, 50])
  })

  test('bounds the heartbeats that nobody answers, and no pings of users', () => {
    const pings = new PendingPings()
    const { settle } = recorder()
    for (let index = 0; index < 20; index++) pings.add(utf8(`user ${index}`), 0, settle)
    for (let index = 0; index < 1000; index++) pings.add(utf8(`heartbeat ${index}`), index, undefined)
    expect(pings.size).toBe(28)
    expect(pings.acknowledge(utf8('heartbeat 0'), 2000)).toBeUndefined()
    expect(pings.acknowledge(utf8('heartbeat 995'), 2000)).toBe(1005)
  })
})

describe('wait', () => {
  test('sends, and resolves to the latency when the pong comes', async () => {
    const pings = new PendingPings()
    let sent = 0
    const latency = pings.wait(utf8('a'), 100, undefined, () => void sent++)
    expect(sent).toBe(1)
    pings.acknowledge(utf8('a'), 142)
    expect(await latency).toBe(42)
  })

  test('rejects with the signal’s reason, and forgets the ping', async () => {
    const pings = new PendingPings()
    const controller = new AbortController()
    const latency = pings.wait(utf8('a'), 0, controller.signal, () => {})
    controller.abort('enough')
    await expect(latency).rejects.toBe('enough')
    expect(pings.size).toBe(0)
  })

  test('sends nothing when the signal was aborted before, or the payload is under way', async () => {
    const pings = new PendingPings()
    const send = (): never => {
      throw new Error('sent')
    }
    await expect(pings.wait(utf8('a'), 0, AbortSignal.abort('no'), send)).rejects.toBe('no')
    pings.add(utf8('a'), 0, undefined)
    await expect(pings.wait(utf8('a'), 0, undefined, send)).rejects.toThrow(StateError)
  })
})
