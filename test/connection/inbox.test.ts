import { afterEach, describe, expect, test, vi } from 'vitest'
import { Inbox } from '../../src/connection/inbox.ts'
import { ConnectionClosedError, StateError, WebSocketTimeoutError } from '../../src/errors.ts'
import type { CloseInfo } from '../../src/protocol/close-code.ts'
import { settle, stateOf } from './support.ts'

class FakeFlow {
  readonly calls: string[] = []

  pauseParsing(): void {
    this.calls.push('pause')
  }

  resumeParsing(): void {
    this.calls.push('resume')
  }

  takePieces(): void {
    this.calls.push('take pieces')
  }

  dropPieces(): void {
    this.calls.push('drop pieces')
  }

  refuseHeld(): void {
    this.calls.push('refuse held')
  }
}

function makeInbox(high = 16, low = 4): { inbox: Inbox; flow: FakeFlow } {
  const flow = new FakeFlow()
  return { inbox: new Inbox(high, low, flow), flow }
}

function info(code: number): CloseInfo {
  return {
    code,
    reason: '',
    received: { code, reason: '' },
    sent: { code, reason: '' },
    initiator: 'remote',
    clean: true,
    diagnosis: 'the peer closed',
    error: undefined,
  }
}

afterEach(() => {
  vi.useRealTimers()
})

describe('receive', () => {
  test('gives messages in order, those that wait and those that come', async () => {
    const { inbox } = makeInbox()
    inbox.message('one')
    inbox.message('two')
    expect(await inbox.receive()).toBe('one')
    expect(await inbox.receive()).toBe('two')
    const next = inbox.receive()
    inbox.message('three')
    inbox.message('four')
    expect(await next).toBe('three')
    expect(await inbox.receive()).toBe('four')
  })

  test('gives an empty message', async () => {
    const { inbox } = makeInbox()
    inbox.message('')
    expect(await inbox.receive()).toBe('')
  })

  test('rejects a second wait with StateError, and leaves the first alone', async () => {
    const { inbox } = makeInbox()
    const first = inbox.receive()
    await expect(inbox.receive()).rejects.toThrow(StateError)
    await expect(inbox.receive()).rejects.toMatchObject({ code: 'WS_CONCURRENT_RECEIVE' })
    await expect(inbox.iterate().next()).rejects.toMatchObject({ code: 'WS_CONCURRENT_RECEIVE' })
    inbox.message('for the first')
    expect(await first).toBe('for the first')
  })

  test('rejects when it ends while waiting, and from then on', async () => {
    const { inbox } = makeInbox()
    const waiting = inbox.receive()
    inbox.closed(info(1000))
    await expect(waiting).rejects.toThrow(ConnectionClosedError)
    await expect(inbox.receive()).rejects.toMatchObject({ info: { code: 1000 } })
  })

  test('gives what came before the end first', async () => {
    const { inbox } = makeInbox()
    inbox.message('last words')
    inbox.closed(info(1000))
    expect(await inbox.receive()).toBe('last words')
    await expect(inbox.receive()).rejects.toThrow(ConnectionClosedError)
  })

  test('rejects with the reason of a signal that is aborted already, and takes no message', async () => {
    const { inbox } = makeInbox()
    inbox.message('kept')
    const reason = new Error('enough')
    await expect(inbox.receive({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(await inbox.receive()).toBe('kept')
  })

  test('loses no message to a wait that was aborted', async () => {
    const { inbox } = makeInbox()
    const controller = new AbortController()
    const waiting = inbox.receive({ signal: controller.signal })
    const reason = new Error('enough')
    controller.abort(reason)
    inbox.message('kept')
    await expect(waiting).rejects.toBe(reason)
    expect(await inbox.receive()).toBe('kept')
  })

  test('leaves nothing on a signal that outlives the wait', async () => {
    const { inbox } = makeInbox()
    const { signal } = new AbortController()
    const add = vi.spyOn(signal, 'addEventListener')
    const remove = vi.spyOn(signal, 'removeEventListener')
    const delivered = inbox.receive({ signal })
    inbox.message('x')
    await delivered
    const ended = inbox.receive({ signal })
    inbox.closed(info(1000))
    await expect(ended).rejects.toThrow(ConnectionClosedError)
    expect(add).toHaveBeenCalledTimes(2)
    expect(remove).toHaveBeenCalledTimes(2)
  })

  test('gives up after the timeout, and loses no message', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { inbox } = makeInbox()
    const waiting = inbox.receive({ timeout: 500 })
    vi.advanceTimersByTime(499)
    expect(await stateOf(waiting)).toBe('pending')
    vi.advanceTimersByTime(1)
    await expect(waiting).rejects.toThrow(new WebSocketTimeoutError('receive', 500))
    inbox.message('kept')
    expect(await inbox.receive({ timeout: 500 })).toBe('kept')
    expect(vi.getTimerCount()).toBe(0)
  })

  test('leaves no timer when a message, an abort or the end came first', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { inbox } = makeInbox()
    const delivered = inbox.receive({ timeout: 500 })
    inbox.message('x')
    await delivered
    const controller = new AbortController()
    const aborted = inbox.receive({ timeout: 500, signal: controller.signal })
    controller.abort()
    await expect(aborted).rejects.toThrow('aborted')
    const ended = inbox.receive({ timeout: 500 })
    inbox.closed(info(1000))
    await expect(ended).rejects.toThrow(ConnectionClosedError)
    expect(vi.getTimerCount()).toBe(0)
  })

  test.each([Number.POSITIVE_INFINITY, 2 ** 31])(
    'waits without a limit for a timeout of %d',
    async (timeout) => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      const { inbox } = makeInbox()
      const waiting = inbox.receive({ timeout })
      vi.advanceTimersByTime(100_000)
      expect(await stateOf(waiting)).toBe('pending')
      inbox.message('x')
      expect(await waiting).toBe('x')
    },
  )
})

describe('iterate', () => {
  test('gives messages in order and goes on with those that come', async () => {
    const { inbox } = makeInbox()
    inbox.message('one')
    const seen: unknown[] = []
    const loop = (async () => {
      for await (const message of inbox.iterate()) seen.push(message)
    })()
    inbox.message('two')
    await stateOf(loop)
    inbox.message('three')
    inbox.message('four')
    inbox.closed(info(1000))
    await loop
    expect(seen).toEqual(['one', 'two', 'three', 'four'])
  })

  test.each([1000, 1001, 1005])('ends quietly after %d, waiting or not', async (code) => {
    const { inbox } = makeInbox()
    const waiting = inbox.iterate().next()
    inbox.closed(info(code))
    expect(await waiting).toEqual({ value: undefined, done: true })
    expect(await inbox.iterate().next()).toEqual({ value: undefined, done: true })
  })

  test.each([1002, 1006, 1011, 3000, 4999])('throws after %d, once', async (code) => {
    const { inbox } = makeInbox()
    const iterator = inbox.iterate()
    const waiting = iterator.next()
    inbox.closed(info(code))
    await expect(waiting).rejects.toMatchObject({ name: 'ConnectionClosedError', info: { code } })
    expect(await iterator.next()).toEqual({ value: undefined, done: true })
    const later = inbox.iterate()
    await expect(later.next()).rejects.toThrow(ConnectionClosedError)
    expect(await later.next()).toEqual({ value: undefined, done: true })
  })

  test('can be left and begun again without losing a message', async () => {
    const { inbox } = makeInbox()
    for (const message of ['one', 'two', 'three']) inbox.message(message)
    for await (const message of inbox.iterate()) {
      expect(message).toBe('one')
      break
    }
    expect(await inbox.receive()).toBe('two')
    const iterator = inbox.iterate()
    expect(await iterator.next()).toEqual({ value: 'three', done: false })
    expect(await iterator.return!()).toEqual({ value: undefined, done: true })
    inbox.message('four')
    expect(await iterator.next()).toEqual({ value: undefined, done: true })
    expect(await inbox.receive()).toBe('four')
  })

  test('rejects while somebody else waits', async () => {
    const { inbox } = makeInbox()
    const waiting = inbox.iterate().next()
    await expect(inbox.receive()).rejects.toMatchObject({ code: 'WS_CONCURRENT_RECEIVE' })
    inbox.message('x')
    expect(await waiting).toEqual({ value: 'x', done: false })
  })
})

describe('flow', () => {
  test('pauses at the high mark and resumes at the low one', async () => {
    const { inbox, flow } = makeInbox(4, 1)
    for (const message of ['1', '2', '3']) inbox.message(message)
    expect(flow.calls).toEqual([])
    inbox.message('4')
    expect(flow.calls).toEqual(['pause'])
    await inbox.receive()
    await inbox.receive()
    expect(flow.calls).toEqual(['pause'])
    await inbox.receive()
    expect(flow.calls).toEqual(['pause', 'resume'])
  })

  test('does not count a message that somebody waits for', () => {
    const { inbox, flow } = makeInbox(1, 0)
    void inbox.receive()
    inbox.message('1')
    expect(flow.calls).toEqual(['refuse held'])
  })

  test('keeps no account of pings, pongs and drains', () => {
    const { inbox, flow } = makeInbox()
    inbox.ping()
    inbox.pong()
    inbox.drain()
    expect(flow.calls).toEqual([])
  })
})

describe('a message that is too large to be received whole', () => {
  test('may wait for a stream while nobody waits for a message', () => {
    const { inbox } = makeInbox()
    expect(inbox.takesOversize()).toBe(true)
    inbox.message('one that waits')
    expect(inbox.takesOversize()).toBe(true)
  })

  test('may not wait while somebody does', async () => {
    const { inbox } = makeInbox()
    const receiving = inbox.receive()
    expect(inbox.takesOversize()).toBe(false)
    inbox.message('one')
    await receiving
    expect(inbox.takesOversize()).toBe(true)
    const iterator = inbox.iterate()
    const looping = iterator.next()
    expect(inbox.takesOversize()).toBe(false)
    await iterator.return!()
    await looping
    expect(inbox.takesOversize()).toBe(true)
  })

  test('is refused once somebody has to wait, and not before', async () => {
    const { inbox, flow } = makeInbox()
    inbox.message('one')
    inbox.message('two')
    await inbox.receive()
    await inbox.iterate().next()
    expect(flow.calls).toEqual([])
    const receiving = inbox.receive()
    expect(flow.calls).toEqual(['refuse held'])
    inbox.message('three')
    await receiving
    void inbox.iterate().next()
    expect(flow.calls).toEqual(['refuse held', 'refuse held'])
  })
})

describe('receiveStream', () => {
  test('asks for pieces when it is begun, unless a message waits', async () => {
    const { inbox, flow } = makeInbox()
    inbox.message('whole')
    const first = inbox.receiveStream()
    expect(await first.next()).toEqual({ value: 'whole', done: false })
    expect(await first.next()).toMatchObject({ done: true })
    expect(flow.calls).toEqual([])
    const second = inbox.receiveStream()
    const piece = second.next()
    await settle()
    expect(flow.calls).toEqual(['take pieces'])
    inbox.piece('half', false)
    expect(await piece).toEqual({ value: 'half', done: false })
    inbox.piece(' and half', true)
    expect(await second.next()).toEqual({ value: ' and half', done: false })
    expect(await second.next()).toMatchObject({ done: true })
    expect(flow.calls).toEqual(['take pieces'])
  })

  test('makes room in a full queue', async () => {
    const { inbox, flow } = makeInbox(1, 0)
    inbox.message('one')
    const stream = inbox.receiveStream()
    expect(await stream.next()).toEqual({ value: 'one', done: false })
    expect(flow.calls).toEqual(['pause', 'resume'])
  })

  test('has the peer wait while much was not taken', async () => {
    const { inbox, flow } = makeInbox()
    const stream = inbox.receiveStream()
    const first = stream.next()
    await settle()
    const piece = new Uint8Array(40_000)
    for (let count = 0; count < 3; count++) inbox.piece(piece, false)
    await first
    expect(flow.calls).toEqual(['take pieces', 'pause'])
    await stream.next()
    expect(flow.calls).toEqual(['take pieces', 'pause', 'resume'])
  })

  test('keeps whole messages that come behind it for later', async () => {
    const { inbox, flow } = makeInbox(2, 0)
    const stream = inbox.receiveStream()
    const first = stream.next()
    await settle()
    inbox.piece('one', true)
    inbox.message('two')
    inbox.message('three')
    expect(flow.calls).toEqual(['take pieces', 'pause'])
    expect(await first).toEqual({ value: 'one', done: false })
    expect(await stream.next()).toMatchObject({ done: true })
    expect(await inbox.receive()).toBe('two')
    expect(await inbox.receive()).toBe('three')
  })

  test('drops the rest when it is left, and lets go of what it kept', async () => {
    const { inbox, flow } = makeInbox()
    const stream = inbox.receiveStream()
    const first = stream.next()
    await settle()
    inbox.piece('one', false)
    inbox.piece('x'.repeat(70_000), false)
    await first
    expect(flow.calls).toEqual(['take pieces', 'pause'])
    await stream.return()
    expect(flow.calls).toEqual(['take pieces', 'pause', 'drop pieces', 'resume'])
    // What is still on its way to the stream reaches nobody.
    inbox.piece('late', true)
    expect(await stateOf(inbox.receive())).toBe('pending')
  })

  test('drops nothing when it is left behind the last piece', async () => {
    const { inbox, flow } = makeInbox()
    const stream = inbox.receiveStream()
    const first = stream.next()
    await settle()
    inbox.piece('one', false)
    inbox.piece('two', true)
    await first
    await stream.return()
    expect(flow.calls).toEqual(['take pieces'])
  })

  test('ends with the connection, waiting or not', async () => {
    const { inbox, flow } = makeInbox()
    const stream = inbox.receiveStream()
    const first = stream.next()
    await settle()
    inbox.closed(info(1006))
    await expect(first).rejects.toMatchObject({ info: { code: 1006 } })
    await expect(inbox.receiveStream().next()).rejects.toThrow(ConnectionClosedError)
    await expect(inbox.receive()).rejects.toThrow(ConnectionClosedError)
    expect(flow.calls).toEqual(['take pieces'])
  })

  test('gives a message that waited when the connection ended', async () => {
    const { inbox } = makeInbox()
    inbox.message('last words')
    inbox.closed(info(1000))
    const stream = inbox.receiveStream()
    expect(await stream.next()).toEqual({ value: 'last words', done: false })
    expect(await stream.next()).toMatchObject({ done: true })
  })

  test('rejects with StateError while somebody else receives, and the other way round', async () => {
    const { inbox } = makeInbox()
    const receiving = inbox.receive()
    await expect(inbox.receiveStream().next()).rejects.toThrow(StateError)
    inbox.message('one')
    await receiving
    const stream = inbox.receiveStream()
    void stream.next()
    await settle()
    inbox.message('two')
    await expect(inbox.receive()).rejects.toMatchObject({ code: 'WS_CONCURRENT_RECEIVE' })
    await expect(inbox.iterate().next()).rejects.toMatchObject({ code: 'WS_CONCURRENT_RECEIVE' })
    await expect(inbox.receiveStream().next()).rejects.toMatchObject({ code: 'WS_CONCURRENT_RECEIVE' })
    await stream.return()
    expect(await inbox.receive()).toBe('two')
  })
})
