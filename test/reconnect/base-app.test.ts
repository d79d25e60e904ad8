import { describe, expect, test, vi } from 'vitest'
import type { Sendable } from '../../src/connection/sendable.ts'
import { ConnectionClosedError, HandshakeRejectedError } from '../../src/errors.ts'
import type { CloseInfo } from '../../src/protocol/close-code.ts'
import type { Message } from '../../src/protocol/message.ts'
import type { AppErrorContext, DataContext, ReconnectedContext } from '../../src/reconnect/app-callbacks.ts'
import { BaseApp, type WebSocketAppOptions } from '../../src/reconnect/base-app.ts'
import type { DropReason } from '../../src/reconnect/outbox.ts'
import { MemoryLog } from '../server/support.ts'
import { MemoryNetwork, refused } from './support.ts'

class App extends BaseApp {
  readonly events: unknown[] = []

  constructor(network: MemoryNetwork, options: WebSocketAppOptions<BaseApp> = {}) {
    super('ws://x/', options, network.connect, network.surroundings)
  }

  override onOpen(): void | Promise<void> {
    this.events.push('open')
  }

  override onMessage(message: Message): void {
    this.events.push(message)
  }

  override onError(error: unknown, context: AppErrorContext): void {
    this.events.push(['error', (error as { code?: string }).code, context])
  }

  override onClose(info: CloseInfo | undefined): void {
    this.events.push(`close ${info?.code}`)
  }

  override onDrop(message: Sendable, reason: DropReason): void {
    this.events.push(['drop', message, reason])
  }
}

const reconnect = { backoff: 100 }

/** Let promises and the memory between two ends come to rest. */
async function rest(network: MemoryNetwork): Promise<void> {
  await network.clock.advance(0)
}

async function received(network: MemoryNetwork, count: number): Promise<Message[]> {
  const messages: Message[] = []
  while (messages.length < count) messages.push(await network.last.server.receive())
  return messages
}

describe('an app that reconnects', () => {
  test('comes back after each loss, and calls onClose once, last', async () => {
    const network = new MemoryNetwork()
    const app = new App(network)
    const running = app.runForever({ reconnect })
    for (let loss = 0; loss < 3; loss++) {
      await network.clock.advance(100)
      network.last.cut()
    }
    await network.clock.advance(100)
    await app.close()
    expect(await running).toEqual({ errored: false })
    expect(network.dialled).toHaveLength(4)
    expect(app.events.filter((event) => event === 'open')).toHaveLength(4)
    expect(app.events.at(-1)).toBe('close 1000')
    expect(app.events.filter((event) => `${event}`.startsWith('close'))).toHaveLength(1)
  })

  test('tells each failure, its phase, and when it goes on', async () => {
    const network = new MemoryNetwork()
    network.script = [refused()]
    const app = new App(network)
    const running = app.runForever({ reconnect })
    await network.clock.advance(100)
    network.last.cut()
    await rest(network)
    expect(app.events).toEqual([
      ['error', 'ECONNREFUSED', { phase: 'connect', retryIn: 100, pattern: undefined }],
      'open',
      ['error', 'WS_CLOSED', { phase: 'connection', retryIn: 100, pattern: undefined }],
    ])
    await app.close()
    await running
  })

  test('comes back after an ordinary close by the peer, which is no error', async () => {
    const network = new MemoryNetwork()
    const app = new App(network)
    const running = app.runForever({ reconnect: 50 })
    await rest(network)
    void network.last.server.close(1001)
    await rest(network)
    await network.clock.advance(100)
    expect(app.events).toEqual(['open', 'open'])
    await app.close()
    expect(await running).toEqual({ errored: false })
  })

  test('gives up on what will not pass', async () => {
    const network = new MemoryNetwork()
    network.script = [new HandshakeRejectedError({ status: 403, statusText: '', headers: {}, body: '' })]
    const app = new App(network)
    expect(await app.runForever({ reconnect: true })).toEqual({ errored: true })
    expect(app.events).toEqual([
      ['error', 'WS_REJECTED', { phase: 'connect', retryIn: undefined, pattern: undefined }],
      'close undefined',
    ])
  })

  test('ends without an error when shouldRetry says no to an ordinary close', async () => {
    const network = new MemoryNetwork()
    const app = new App(network)
    const running = app.runForever({ reconnect: { backoff: 1, shouldRetry: () => false } })
    await rest(network)
    void network.last.server.close(1000)
    expect(await running).toEqual({ errored: false })
    expect(app.events).toEqual(['open', 'close 1000'])
  })

  test('does not come back from an end of its own making', async () => {
    for (const end of [
      (app: App) => app.connection!.close(1000),
      (app: App) => app.connection!.terminate(),
      (app: App) => app.close(1001, 'bye'),
    ]) {
      const network = new MemoryNetwork()
      const app = new App(network)
      const running = app.runForever({ reconnect })
      await rest(network)
      void end(app)
      await running
      expect(network.dialled).toHaveLength(1)
    }
  })

  test('can be closed while it waits and while it dials, which is no error', async () => {
    for (const script of [[refused()], ['never']]) {
      const network = new MemoryNetwork()
      network.script = script
      const app = new App(network)
      const running = app.runForever({ reconnect: { backoff: 1_000_000 } })
      await network.clock.advance(10)
      await app.close()
      expect(await running).toEqual({ errored: false })
      expect(app.events.at(-1)).toBe('close undefined')
      expect(network.sleepers.size).toBe(0)
    }
  })

  test('ends when the signal of the run aborts, whatever it is doing', async () => {
    for (const script of [[], [refused()], ['never']]) {
      const network = new MemoryNetwork()
      network.script = script
      const aborter = new AbortController()
      const app = new App(network)
      const running = app.runForever({ reconnect: { backoff: 1_000_000 }, signal: aborter.signal })
      await network.clock.advance(10)
      aborter.abort()
      expect(await running).toEqual({ errored: false })
    }
  })

  test('tells onReconnect instead of onOpen where it is overridden', async () => {
    const network = new MemoryNetwork()
    class Client extends App {
      override onReconnect(context: ReconnectedContext): void {
        this.events.push(['reconnect', context])
      }
    }
    const app = new Client(network)
    const running = app.runForever({ reconnect })
    await rest(network)
    network.last.cut()
    network.script = [refused()]
    await network.clock.advance(500)
    expect(app.events.filter((event) => event === 'open')).toHaveLength(1)
    expect(app.events).toContainEqual(['reconnect', { attempt: 3, downtime: 200 }])
    await app.close()
    await running
  })

  test('can run again', async () => {
    const network = new MemoryNetwork()
    const app = new App(network)
    for (let run = 0; run < 2; run++) {
      const running = app.runForever({ reconnect })
      await rest(network)
      await app.close()
      await running
    }
    expect(app.events).toEqual(['open', 'close 1000', 'open', 'close 1000'])
  })

  test.each([
    ['reconnect', { reconnect: 'yes' }],
    ['maxFailures', { reconnect: { maxFailures: -1 } }],
    ['signal', { signal: 1 }],
  ])('refuses a wrong %s, and can run then', async (name, options) => {
    const network = new MemoryNetwork()
    const app = new App(network)
    await expect(app.runForever(options as never)).rejects.toThrow(name)
    expect(app.events).toEqual([])
    const running = app.runForever()
    await rest(network)
    await app.close()
    await running
  })

  test('tells of what shouldRetry and backoff throw, and ends with it', async () => {
    const fail = (): never => {
      throw new Error('mistake')
    }
    for (const options of [{ shouldRetry: fail }, { backoff: fail }]) {
      const network = new MemoryNetwork()
      network.script = [refused()]
      const errors: unknown[] = []
      const app = new App(network)
      app.onError = (error, context) => void errors.push((error as Error).message, context.phase)
      expect(await app.runForever({ reconnect: options })).toEqual({ errored: true })
      expect(errors).toEqual(['connect ECONNREFUSED', 'connect', 'mistake', 'callback'])
      expect(app.events).toEqual(['close undefined'])
    }
  })

  test('ends with the reason of the signal of its options, also while it waits', async () => {
    const network = new MemoryNetwork()
    network.script = [refused()]
    const aborter = new AbortController()
    const app = new App(network, { signal: aborter.signal })
    const facts: unknown[] = []
    const reading = (async () => {
      for await (const fact of app.status()) facts.push(fact)
    })()
    const running = app.runForever({ reconnect: { backoff: 1_000_000 } })
    await network.clock.advance(10)
    aborter.abort(new Error('enough'))
    expect(await running).toEqual({ errored: true })
    await reading
    expect(facts.at(-1)).toEqual({ state: 'closed', error: new Error('enough'), info: undefined })
  })

  test('does not reconnect with 0, as in Python', async () => {
    const network = new MemoryNetwork()
    network.script = [refused()]
    expect(await new App(network).runForever({ reconnect: 0 })).toEqual({ errored: true })
    expect(network.dialled).toHaveLength(1)
  })

  test('tells where the next run is, between two', async () => {
    const network = new MemoryNetwork()
    const app = new App(network)
    for (let run = 0; run < 2; run++) {
      const facts: unknown[] = []
      const reading = (async () => {
        for await (const { state } of app.status()) facts.push(state)
      })()
      const running = app.runForever()
      await rest(network)
      await app.close()
      await running
      await reading
      expect(facts).toEqual(['connecting', 'open', 'closed'])
    }
  })

  test('tells where it is', async () => {
    const network = new MemoryNetwork()
    const app = new App(network)
    const facts: unknown[] = []
    const reading = (async () => {
      for await (const fact of app.status()) facts.push(fact.state)
    })()
    expect([app.isReady, app.connection]).toEqual([false, undefined])
    const running = app.runForever({ reconnect })
    await rest(network)
    expect([app.isReady, app.connection]).toEqual([true, network.last.client])
    network.last.cut()
    await rest(network)
    expect([app.isReady, app.connection]).toEqual([false, undefined])
    await network.clock.advance(100)
    await app.close()
    await running
    await reading
    expect(facts).toEqual(['connecting', 'open', 'waiting', 'connecting', 'open', 'closed'])
  })

  test('pings as the run says', async () => {
    const network = new MemoryNetwork()
    const app = new App(network, { pingInterval: 1000 })
    const running = app.runForever({ pingInterval: 2000, pingTimeout: 3000 })
    await rest(network)
    expect(network.dialled[0]!.options).toMatchObject({ pingInterval: 2000, pingTimeout: 3000 })
    await app.close()
    await running
  })
})

describe('the outbox of an app', () => {
  test('keeps what is sent while there is no connection, and sends it after onOpen', async () => {
    const network = new MemoryNetwork()
    network.script = [refused()]
    class Client extends App {
      override async onOpen(): Promise<void> {
        await super.onOpen()
        await this.send('log in')
      }
    }
    const app = new Client(network)
    const running = app.runForever({ reconnect })
    await rest(network)
    const sent = [app.sendText('one'), app.sendBytes('two')]
    expect(app.waiting).toEqual({ messages: 2, bytes: 6 })
    await network.clock.advance(100)
    await Promise.all(sent)
    expect(app.waiting).toEqual({ messages: 0, bytes: 0 })
    expect(await received(network, 3)).toEqual(['log in', 'one', new TextEncoder().encode('two')])
    await app.close()
    await running
  })

  test('sends in order what comes while it is being emptied', async () => {
    const network = new MemoryNetwork()
    network.script = [refused()]
    const app = new App(network)
    const running = app.runForever({ reconnect })
    await rest(network)
    void app.send('one')
    void app.send('two').then(() => app.send('four'))
    void app.send('three')
    await network.clock.advance(100)
    expect(await received(network, 4)).toEqual(['one', 'two', 'three', 'four'])
    await app.close()
    await running
  })

  test('says what it drops: for want of room, and at the end of the run', async () => {
    const network = new MemoryNetwork()
    network.script = ['never']
    const app = new App(network, { outbox: { maxMessages: 1 } })
    const running = app.runForever({ reconnect })
    const one = app.send('one')
    const two = app.send('two')
    await expect(two).rejects.toMatchObject({ code: 'WS_OUTBOX_FULL' })
    await app.close()
    await expect(one).rejects.toMatchObject({ code: 'WS_OUTBOX_CLOSED' })
    await running
    expect(app.events).toEqual([['drop', 'two', 'overflow'], ['drop', 'one', 'closed'], 'close undefined'])
  })

  test('takes nothing without a run, when it is turned off, or once the end has begun', async () => {
    const network = new MemoryNetwork()
    const app = new App(network)
    const notOpen = { code: 'WS_APP_NOT_OPEN' }
    await expect(app.send('x')).rejects.toMatchObject(notOpen)
    network.script = ['never', 'never']
    const running = app.runForever({ reconnect })
    const closing = app.close()
    await expect(app.send('x')).rejects.toMatchObject(notOpen)
    await closing
    await running
    await expect(app.send('x')).rejects.toMatchObject(notOpen)
    const without = new App(network, { outbox: false })
    const other = without.runForever({ reconnect })
    await expect(without.send('x')).rejects.toMatchObject(notOpen)
    await without.close()
    await other
  })

  test('harms nobody who does not look at what became of a message', async () => {
    const app = new App(new MemoryNetwork())
    void app.send('x')
    await new Promise((resolve) => setImmediate(resolve))
    expect(() => app.send(42 as never)).not.toThrow()
  })

  test('takes nothing more from within onDrop when the run ends', async () => {
    const network = new MemoryNetwork()
    network.script = ['never']
    const late: Promise<void>[] = []
    class Client extends App {
      override onDrop(message: Sendable, reason: DropReason): void {
        super.onDrop(message, reason)
        late.push(this.send('again'))
      }
    }
    const app = new Client(network)
    const running = app.runForever({ reconnect })
    void app.send('one')
    await app.close()
    await running
    expect(app.events).toEqual([['drop', 'one', 'closed'], 'close undefined'])
    await expect(late[0]).rejects.toMatchObject({ code: 'WS_APP_NOT_OPEN' })
  })

  test('keeps what is sent while the connection is closing, for the next one', async () => {
    const network = new MemoryNetwork()
    const app = new App(network)
    const running = app.runForever({ reconnect })
    await rest(network)
    const { client, server, hold } = network.last
    void server.close(1001)
    await rest(network)
    hold()
    expect(client.state).not.toBe('open')
    const sent = app.send('not lost')
    network.last.cut()
    await network.clock.advance(100)
    await sent
    expect(await received(network, 1)).toEqual(['not lost'])
    await app.close()
    await running
  })

  test('logs what it drops, and what onDrop throws', async () => {
    const network = new MemoryNetwork()
    network.script = ['never']
    const logger = new MemoryLog()
    const app = new BaseApp(
      'ws://x/',
      { logger, outbox: { maxMessages: 0 } },
      network.connect,
      network.surroundings,
    )
    const running = app.runForever({ reconnect })
    await expect(app.send('lost')).rejects.toMatchObject({ code: 'WS_OUTBOX_FULL' })
    app.onDrop = () => {
      throw new Error('mistake')
    }
    await expect(app.send('lost')).rejects.toMatchObject({ code: 'WS_OUTBOX_FULL' })
    app.onDrop = async () => {
      throw new Error('mistake')
    }
    await expect(app.send('lost')).rejects.toMatchObject({ code: 'WS_OUTBOX_FULL' })
    await app.close()
    await running
    expect(JSON.stringify(logger.lines)).toContain('overflow')
    expect(logger.lines).toHaveLength(3)
  })
})

test('an async onDrop among the options that fails is logged too', async () => {
  const network = new MemoryNetwork()
  network.script = ['never']
  const logger = new MemoryLog()
  const onDrop = async (): Promise<void> => {
    throw new Error('mistake')
  }
  const app = new BaseApp('ws://x/', { logger, onDrop }, network.connect, network.surroundings)
  const running = app.runForever({ reconnect })
  void app.send('lost')
  await app.close()
  await running
  expect(logger.lines).toEqual([['openline: onDrop of a WebSocketApp failed', new Error('mistake')]])
})

describe('callbacks among the options', () => {
  test('are called with the app first, as the methods would be', async () => {
    const network = new MemoryNetwork()
    const calls: unknown[][] = []
    const note =
      (name: string) =>
      (app: BaseApp, ...values: unknown[]): void => {
        expect(app).toBe(client)
        calls.push([name, ...values])
      }
    const client: BaseApp = new BaseApp(
      'ws://x/',
      {
        onOpen: note('open'),
        onReconnect: note('reconnect'),
        onMessage: note('message'),
        onData: note('data'),
        onPing: note('ping'),
        onPong: note('pong'),
        onError: note('error'),
        onClose: note('close'),
        onDrop: note('drop'),
        outbox: { maxBytes: 4 },
      },
      network.connect,
      network.surroundings,
    )
    const running = client.runForever({ reconnect })
    await rest(network)
    const { server } = network.last
    void server.send('text')
    void server.send(Uint8Array.of(7))
    void server.ping('ping').catch(() => {})
    server.pong('pong')
    await rest(network)
    network.last.cut()
    await rest(network)
    void client.send('too long').catch(() => {})
    await network.clock.advance(100)
    await client.close()
    await running
    const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
    expect(calls).toEqual([
      ['open'],
      ['data', 'text', { opcode: 1, fin: true }],
      ['message', 'text'],
      ['data', Uint8Array.of(7), { opcode: 2, fin: true }],
      ['message', Uint8Array.of(7)],
      ['ping', new Uint8Array(utf8('ping'))],
      ['pong', new Uint8Array(utf8('pong'))],
      ['error', expect.any(ConnectionClosedError), { phase: 'connection', retryIn: 100, pattern: undefined }],
      ['drop', 'too long', 'overflow'],
      ['reconnect', { attempt: 2, downtime: 100 }],
      ['close', expect.objectContaining({ code: 1000 })],
    ])
  })

  test('let all messages be told in pieces', async () => {
    const network = new MemoryNetwork()
    const pieces: [Message, DataContext][] = []
    const onMessage = vi.fn()
    const app = new BaseApp(
      'ws://x/',
      {
        onMessage,
        onFragment: (_app, piece, context) => {
          pieces.push([piece, context])
        },
      },
      network.connect,
      network.surroundings,
    )
    const running = app.runForever()
    await rest(network)
    const { server } = network.last
    await server.send(['one ', 'two ', 'three'])
    await server.send('whole')
    await rest(network)
    await app.close()
    await running
    expect(onMessage).not.toHaveBeenCalled()
    expect(pieces.map(([piece]) => piece).join('')).toBe('one two threewhole')
    expect(pieces[0]![1].opcode).toBe(1)
    expect(pieces.filter(([, { fin }]) => fin)).toHaveLength(2)
    expect(pieces.at(-1)).toEqual(['whole', { opcode: 1, fin: true }])
    const firstEnd = pieces.findIndex(([, { fin }]) => fin)
    for (const [, { opcode }] of pieces.slice(1, firstEnd + 1)) expect(opcode).toBe(0)
  })

  test('that throw are told and leave the connection open', async () => {
    const network = new MemoryNetwork()
    const errors: unknown[] = []
    const app = new BaseApp(
      'ws://x/',
      {
        onMessage: () => {
          throw new Error('mistake')
        },
        onError: (_app, error, context) => {
          errors.push([(error as Error).message, context])
        },
      },
      network.connect,
      network.surroundings,
    )
    const running = app.runForever({ reconnect })
    await rest(network)
    void network.last.server.send('x')
    await rest(network)
    expect(app.isReady).toBe(true)
    await app.close()
    expect(await running).toEqual({ errored: true })
    expect(errors).toEqual([['mistake', { phase: 'callback', retryIn: undefined, pattern: undefined }]])
  })
})
