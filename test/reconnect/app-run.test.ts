// What can go wrong in a run while something else is under way; test/reconnect/base-app.test.ts has what users see of it.

import { describe, expect, test, vi } from 'vitest'
import type { Sendable } from '../../src/connection/sendable.ts'
import type { Message } from '../../src/protocol/message.ts'
import type { AppErrorContext } from '../../src/reconnect/app-callbacks.ts'
import { BaseApp, type WebSocketAppOptions } from '../../src/reconnect/base-app.ts'
import type { DropReason } from '../../src/reconnect/outbox.ts'
import { MemoryNetwork, refused } from './support.ts'

class App extends BaseApp {
  readonly network: MemoryNetwork
  readonly events: unknown[] = []
  lastFact: unknown

  constructor(network: MemoryNetwork, options: WebSocketAppOptions<BaseApp> = {}) {
    super('ws://x/', options, network.connect, network.surroundings)
    this.network = network
    void this.#watch()
  }

  async #watch(): Promise<void> {
    for await (const fact of this.status()) this.lastFact = fact
  }

  override onOpen(): void | Promise<void> {
    this.events.push('open')
  }

  override onMessage(message: Message): void | Promise<void> {
    this.events.push(message)
  }

  override onError(error: unknown, { phase, retryIn }: AppErrorContext): void | Promise<void> {
    this.events.push(`${phase}: ${(error as Error).message ?? error}, ${retryIn}`)
  }

  override onClose(): void {
    this.events.push('close')
  }

  override onDrop(message: Sendable, reason: DropReason): void {
    this.events.push(`drop ${String(message)}: ${reason}`)
  }
}

const reconnect = { backoff: 100 }

async function lastFact(app: App): Promise<unknown> {
  await new Promise((resolve) => setImmediate(resolve))
  return app.lastFact
}

describe('onOpen that takes its time', () => {
  class Slow extends App {
    finish: (() => void)[] = []

    override async onOpen(): Promise<void> {
      await new Promise<void>((resolve) => this.finish.push(resolve))
      this.events.push('open')
    }
  }

  test.each([false, true])('is followed by what came before the end, then by the end: %s', async (again) => {
    const network = new MemoryNetwork()
    const app = new Slow(network)
    const running = app.runForever(again ? { reconnect } : {})
    await network.clock.advance(0)
    void network.last.server.send('last words')
    void network.last.server.close()
    await network.clock.advance(1000)
    expect(app.events).toEqual([])
    expect(network.dialled).toHaveLength(1)
    app.finish[0]!()
    await network.clock.advance(100)
    expect(app.events).toEqual(again ? ['open', 'last words'] : ['open', 'last words', 'close'])
    expect(network.dialled).toHaveLength(again ? 2 : 1)
    await app.close()
    expect(await running).toEqual({ errored: false })
  })

  test('is not waited for any longer 10 s after the connection was lost', async () => {
    const network = new MemoryNetwork()
    const app = new Slow(network)
    const running = app.runForever({ reconnect })
    await network.clock.advance(0)
    network.last.cut()
    await network.clock.advance(9999)
    expect(network.dialled).toHaveLength(1)
    await network.clock.advance(101)
    expect(network.dialled).toHaveLength(2)
    await app.close()
    expect(await running).toEqual({ errored: false })
  })

  test('ends with its connection when it sends: it must not wait for the next one', async () => {
    const network = new MemoryNetwork()
    class Ticking extends App {
      override async onOpen(): Promise<void> {
        this.events.push('open')
        for (;;) {
          await new Promise((resolve) => setImmediate(resolve))
          await this.send('tick')
        }
      }
    }
    const app = new Ticking(network)
    const running = app.runForever({ reconnect })
    await network.clock.advance(0)
    network.last.cut()
    await network.clock.advance(0)
    await network.clock.advance(100)
    expect(network.dialled).toHaveLength(2)
    expect(app.events.filter((event) => event === 'open')).toHaveLength(2)
    expect(app.waiting.messages).toBe(0)
    await app.close()
    await running
  })

  test('does not keep close() from ending the run, before or after the connection was lost', async () => {
    for (const isLost of [false, true]) {
      const network = new MemoryNetwork()
      const app = new Slow(network)
      const running = app.runForever({ reconnect })
      await network.clock.advance(0)
      if (isLost) network.last.cut()
      await network.clock.advance(1000)
      await app.close()
      expect(await running).toEqual({ errored: false })
      expect(app.events.at(-1)).toBe('close')
      app.finish[0]!()
    }
  })
})

describe('shouldRetry', () => {
  test.each<[string, () => boolean | Promise<boolean>]>([
    [
      'throws',
      () => {
        throw new Error('mistake')
      },
    ],
    ['rejects', async () => Promise.reject(new Error('mistake'))],
  ])('that %s ends the run, as an error that is told', async (_what, shouldRetry) => {
    const network = new MemoryNetwork()
    network.script = [refused()]
    const app = new App(network)
    expect(await app.runForever({ reconnect: { shouldRetry } })).toEqual({ errored: true })
    expect(app.events).toEqual([
      'connect: connect ECONNREFUSED, undefined',
      'callback: mistake, undefined',
      'close',
    ])
    expect(await lastFact(app)).toMatchObject({ state: 'closed', error: { message: 'mistake' } })
  })

  test('and backoff are alike in that', async () => {
    const network = new MemoryNetwork()
    network.script = [refused()]
    const app = new App(network)
    const backoff = (): never => {
      throw new Error('no series')
    }
    expect(await app.runForever({ reconnect: { backoff } })).toEqual({ errored: true })
    expect(app.events.at(-2)).toBe('callback: no series, undefined')
  })

  test('that does not answer is not waited for after close(): that is no error', async () => {
    const network = new MemoryNetwork()
    network.script = [refused()]
    const app = new App(network)
    const running = app.runForever({ reconnect: { shouldRetry: () => new Promise(() => {}) } })
    await network.clock.advance(1)
    await app.close()
    expect(await running).toEqual({ errored: false })
    expect(await lastFact(app)).toMatchObject({ state: 'closed', error: undefined })
  })
})

test("the app's signal while it waits is told, and is what the last fact says", async () => {
  const network = new MemoryNetwork()
  network.script = [refused()]
  const aborter = new AbortController()
  const app = new App(network, { signal: aborter.signal })
  const running = app.runForever({ reconnect })
  await network.clock.advance(50)
  const reason = new Error('enough')
  aborter.abort(reason)
  expect(await running).toEqual({ errored: true })
  expect(app.events).toEqual(['connect: connect ECONNREFUSED, 100', 'connect: enough, undefined', 'close'])
  expect(await lastFact(app)).toMatchObject({ state: 'closed', error: reason })
})

test('what onError throws is what the last fact says', async () => {
  const network = new MemoryNetwork()
  network.script = [refused()]
  const app = new App(network)
  app.onError = () => {
    throw new Error('mine')
  }
  await expect(app.runForever({ reconnect })).rejects.toThrow('mine')
  expect(app.events).toEqual(['close'])
  expect(await lastFact(app)).toMatchObject({ state: 'closed', error: { message: 'mine' } })
})

test('close() at any moment of the opening ends the run without an error', async () => {
  for (let moment = 0; moment < 40; moment++) {
    const network = new MemoryNetwork()
    const app = new App(network)
    const running = app.runForever({ reconnect })
    for (let turn = 0; turn < moment; turn++) await Promise.resolve()
    await app.close()
    expect(await running).toEqual({ errored: false })
    expect(app.events.at(-1)).toBe('close')
    for (const { client } of network.pairs) expect(client.state).toBe('closed')
    expect(await lastFact(app)).toMatchObject({ state: 'closed', error: undefined })
    expect(network.sleepers.size).toBe(0)
  }
})

describe('the order of messages', () => {
  test('is kept when onData takes its time', async () => {
    const network = new MemoryNetwork()
    const app = new App(network)
    const finish: (() => void)[] = []
    app.onData = () => new Promise((resolve) => finish.push(resolve))
    const running = app.runForever()
    await network.clock.advance(0)
    await network.last.server.send('one')
    await network.last.server.send('two')
    await network.clock.advance(0)
    for (const resolve of finish.reverse()) {
      resolve()
      await network.clock.advance(0)
    }
    expect(app.events).toEqual(['open', 'one', 'two'])
    await app.close()
    await running
  })

  test('is kept, and nothing lost, when onData fails or gives something strange', async () => {
    const network = new MemoryNetwork()
    const app = new App(network)
    const onData = vi.fn(() => 5 as never)
    onData.mockImplementationOnce(() => {
      throw new Error('mistake')
    })
    app.onData = onData
    const running = app.runForever()
    await network.clock.advance(0)
    await network.last.server.send('one')
    await network.last.server.send('two')
    await network.clock.advance(0)
    expect(app.events).toEqual(['open', 'callback: mistake, undefined', 'one', 'two'])
    await app.close()
    expect(await running).toEqual({ errored: true })
  })

  test('is kept for what is sent at any moment of the opening', async () => {
    for (let moment = 0; moment < 30; moment++) {
      const network = new MemoryNetwork()
      const app = new App(network)
      const running = app.runForever({ reconnect })
      void app.send('one')
      for (let turn = 0; turn < moment; turn++) await Promise.resolve()
      void app.send('two')
      await network.clock.advance(0)
      const { server } = network.last
      expect([await server.receive(), await server.receive()]).toEqual(['one', 'two'])
      await app.close()
      await running
    }
  })
})

describe('the outbox', () => {
  test('forgets nobody who waits for one message before the next', async () => {
    const network = new MemoryNetwork()
    const app = new App(network)
    const running = app.runForever({ reconnect })
    const sending = (async () => {
      for (let number = 1; number <= 5; number++) await app.send(String(number))
    })()
    await network.clock.advance(0)
    await sending
    for (let number = 1; number <= 5; number++) {
      expect(await network.last.server.receive()).toBe(String(number))
    }
    expect(app.waiting.messages).toBe(0)
    await app.close()
    await running
  })

  test('takes what is sent while a connection is ending, for the next one', async () => {
    const network = new MemoryNetwork()
    const app = new App(network)
    const running = app.runForever({ reconnect })
    await network.clock.advance(0)
    // The peer's close frame came, and TCP is still up.
    const spy = vi.spyOn(network.last.client, 'state', 'get').mockReturnValue('closing')
    const sent = app.send('for the next')
    spy.mockRestore()
    expect(app.waiting.messages).toBe(1)
    network.last.cut()
    await network.clock.advance(100)
    await sent
    expect(network.pairs).toHaveLength(2)
    expect(await network.last.server.receive()).toBe('for the next')
    await app.close()
    await running
  })

  test('takes nothing from onDrop at the end of the run', async () => {
    const network = new MemoryNetwork()
    network.script = [refused()]
    const drops: string[] = []
    const app: BaseApp = new BaseApp(
      'ws://x/',
      {
        logger: { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} } as never,
        onDrop: (_app, message, reason) => {
          drops.push(`${String(message)}: ${reason}`)
          void app.send(message)
        },
      },
      network.connect,
      network.surroundings,
    )
    const running = app.runForever()
    const one = app.send('one')
    await expect(one).rejects.toMatchObject({ code: 'WS_OUTBOX_CLOSED' })
    await running
    expect(drops).toEqual(['one: closed'])
    expect(app.waiting).toEqual({ messages: 0, bytes: 0 })
  })

  test('goes on with the next connection when one is lost while it is emptied: nothing twice', async () => {
    const network = new MemoryNetwork()
    network.script = [refused()]
    const app = new App(network)
    const running = app.runForever({ reconnect })
    await network.clock.advance(0)
    let release!: () => void
    async function* slow(): AsyncGenerator<string> {
      yield 'first piece'
      await new Promise<void>((resolve) => {
        release = resolve
      })
      yield 'second piece'
    }
    const lost = app.send(slow()).catch((error: { code?: string }) => error.code)
    void app.send('one')
    void app.send('two')
    await network.clock.advance(100)
    network.last.cut()
    await network.clock.advance(200)
    expect(network.pairs).toHaveLength(2)
    release()
    expect(await lost).toBe('WS_CLOSED')
    void app.send('three')
    const { server } = network.last
    expect([await server.receive(), await server.receive(), await server.receive()]).toEqual([
      'one',
      'two',
      'three',
    ])
    await app.close()
    await running
  })
})
