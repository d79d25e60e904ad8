import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  type CloseInfo,
  ConnectionClosedError,
  HandshakeError,
  type Message,
  StateError,
  WebSocketApp,
  type WebSocketAppOptions,
} from '../../src/index.ts'
import { fakeServer } from '../client/fake-server.ts'
import { defer, echo, MemoryLog, rejection, start, stay } from '../server/support.ts'

/** Write down what happens. */
class Recorder extends WebSocketApp {
  readonly events: string[] = []
  readonly errors: unknown[] = []
  lastInfo: CloseInfo | undefined

  override onOpen(): void {
    this.events.push('open')
  }

  override onMessage(message: Message): void {
    this.events.push(`message ${message}`)
  }

  override onPing(payload: Uint8Array): void {
    this.events.push(`ping ${new TextDecoder().decode(payload)}`)
  }

  override onPong(payload: Uint8Array): void {
    this.events.push(`pong ${new TextDecoder().decode(payload)}`)
  }

  override onError(error: unknown): void {
    this.events.push('error')
    this.errors.push(error)
  }

  override onClose(info: CloseInfo | undefined): void {
    this.events.push(`close ${info?.code}`)
    this.lastInfo = info
  }
}

/** An address on which nothing listens. */
async function nowhere(): Promise<string> {
  const server = await start(echo)
  const { url } = server
  await server.close()
  return url
}

describe('WebSocketApp', () => {
  test('calls its methods in order, onClose once and last', async () => {
    const server = await start(async (connection) => {
      await connection.send('Hello')
      await connection.ping('are you there')
      await connection.send('bye')
    })
    const app = new Recorder(server.url)
    expect(await app.runForever()).toEqual({ errored: false })
    expect(app.events).toEqual(['open', 'message Hello', 'ping are you there', 'message bye', 'close 1000'])
    expect(app.lastInfo).toMatchObject({ code: 1000, clean: true })
  })

  test('can be used without overriding anything', async () => {
    const server = await start(async (connection) => {
      await connection.send('Hello')
      await connection.ping()
    })
    expect(await new WebSocketApp(server.url).runForever()).toEqual({ errored: false })
  })

  test('has its connection while it is open, and sends and closes on it', async () => {
    const server = await start(echo)
    class Client extends Recorder {
      override async onOpen(): Promise<void> {
        super.onOpen()
        expect(this.connection?.state).toBe('open')
        await this.send('text')
        await this.send(Uint8Array.of(1, 2))
        await this.send('3', { type: 'binary' })
      }

      override async onMessage(message: Message): Promise<void> {
        super.onMessage(message)
        if (this.events.length === 4) await this.close(4000, 'enough')
      }
    }
    const app = new Client(server.url)
    expect(app.connection).toBeUndefined()
    expect(await app.runForever()).toEqual({ errored: true })
    expect(app.events).toEqual(['open', 'message text', 'message 1,2', 'message 51', 'error', 'close 4000'])
    expect(app.lastInfo).toMatchObject({
      code: 4000,
      initiator: 'local',
      sent: { code: 4000, reason: 'enough' },
    })
    expect(app.connection).toBeUndefined()
  })

  test('may close in onOpen and wait for it', { timeout: 5000 }, async () => {
    const server = await start(echo)
    class Client extends Recorder {
      override async onOpen(): Promise<void> {
        super.onOpen()
        await this.send('Hello')
        await this.close()
        this.events.push('closed')
      }
    }
    const app = new Client(server.url)
    expect(await app.runForever()).toEqual({ errored: false })
    expect(app.events.slice(0, 1)).toEqual(['open'])
    expect(app.events.at(-1)).toBe('close 1000')
  })

  test('gets pongs', async () => {
    const server = await start(echo)
    class Client extends Recorder {
      override onOpen(): void {
        void this.connection!.ping('1')
      }

      override async onPong(payload: Uint8Array): Promise<void> {
        super.onPong(payload)
        await this.close()
      }
    }
    const app = new Client(server.url)
    await app.runForever()
    expect(app.events).toEqual(['pong 1', 'close 1000'])
  })

  test('passes its options on', async () => {
    const seen = defer<unknown>()
    const server = await start(
      async ({ request, subprotocol }) => seen.resolve([request.headers['x-token'], subprotocol]),
      { subprotocols: ['chat'] },
    )
    const app = new Recorder(server.url, { headers: { 'X-Token': 'abc' }, subprotocols: ['chat'] })
    await app.runForever()
    expect(await seen.promise).toEqual(['abc', 'chat'])
  })
})

describe('WebSocketApp tells onError', () => {
  test('that it could not connect; onClose gets no info', async () => {
    const app = new Recorder(await nowhere())
    expect(await app.runForever()).toEqual({ errored: true })
    expect(app.events).toEqual(['error', 'close undefined'])
    expect(app.errors[0]).toBeInstanceOf(HandshakeError)
  })

  test('of wrong options and addresses', async () => {
    const options: WebSocketAppOptions = { maxMessageSize: -1 }
    const app = new Recorder('ws://localhost/', options)
    expect(await app.runForever()).toEqual({ errored: true })
    expect(app.errors[0]).toBeInstanceOf(RangeError)
    const other = new Recorder('localhost')
    await other.runForever()
    expect(other.errors[0]).toBeInstanceOf(TypeError)
  })

  test('that it was refused', async () => {
    const server = await start(echo, { onHandshake: () => new Response('who?', { status: 401 }) })
    const app = new Recorder(server.url)
    expect(await app.runForever()).toEqual({ errored: true })
    expect(app.errors).toMatchObject([{ name: 'HandshakeRejectedError', status: 401, body: 'who?' }])
    expect(app.events).toEqual(['error', 'close undefined'])
  })

  test('of a close that is no ordinary one', async () => {
    const server = await start(async (connection) => void connection.terminate())
    const app = new Recorder(server.url)
    expect(await app.runForever()).toEqual({ errored: true })
    expect(app.events).toEqual(['open', 'error', 'close 1006'])
    expect(app.errors[0]).toBeInstanceOf(ConnectionClosedError)
    expect((app.errors[0] as ConnectionClosedError).info).toBe(app.lastInfo)
  })

  test.each([
    [1000, false],
    [1001, false],
    [1011, true],
    [3000, true],
  ])('of a close with %i: %s', async (code, errored) => {
    const server = await start(async (connection) => void (await connection.close(code)))
    const app = new Recorder(server.url)
    expect(await app.runForever()).toEqual({ errored })
    expect(app.errors).toHaveLength(errored ? 1 : 0)
  })

  test.each([
    ['sync', false],
    ['async', true],
  ])('what the other methods throw, %s, and stays open', async (_what, isAsync) => {
    const server = await start(async (connection) => {
      await connection.send('one')
      await connection.ping('two')
      await connection.ping('three')
    })
    const fail = (text: string): Promise<void> => {
      if (isAsync) return Promise.reject(new Error(text))
      throw new Error(text)
    }
    class Client extends Recorder {
      override onOpen(): Promise<void> {
        return fail('open')
      }

      override onMessage(message: Message): Promise<void> {
        return fail(`message ${message}`)
      }

      override onPing(payload: Uint8Array): Promise<void> {
        return fail(`ping ${new TextDecoder().decode(payload)}`)
      }
    }
    const app = new Client(server.url)
    expect(await app.runForever()).toEqual({ errored: true })
    expect(app.errors).toEqual([
      new Error('open'),
      new Error('message one'),
      new Error('ping two'),
      new Error('ping three'),
    ])
    expect(app.lastInfo).toMatchObject({ code: 1000, clean: true })
  })

  test('which logs by default', async () => {
    const log = new MemoryLog()
    await new WebSocketApp(await nowhere(), { logger: log }).runForever()
    expect(log.lines).toEqual([['openline: WebSocketApp failed', expect.any(HandshakeError)]])
  })
})

describe('WebSocketApp.runForever', () => {
  test('rejects with StateError while it runs, and the run goes on', async () => {
    const opened = defer()
    const server = await start(async (connection) => {
      opened.resolve()
      await connection.closed
    })
    const app = new Recorder(server.url)
    const running = app.runForever()
    expect(await rejection(app.runForever())).toMatchObject({ name: 'StateError', code: 'WS_APP_RUNNING' })
    await opened.promise
    expect(await rejection(app.runForever())).toBeInstanceOf(StateError)
    await server.close()
    expect(await running).toEqual({ errored: false })
    expect(app.events).toEqual(['open', 'close 1001'])
  })

  test('can run again afterwards', async () => {
    const server = await start(async (connection) => connection.send('Hello'))
    const app = new Recorder(server.url)
    await app.runForever()
    await app.runForever()
    expect(app.events).toEqual(['open', 'message Hello', 'close 1000', 'open', 'message Hello', 'close 1000'])
  })

  test('can run again from within onClose', async () => {
    const server = await start(() => {})
    class Client extends Recorder {
      turns = 0

      override async onClose(info: CloseInfo | undefined): Promise<void> {
        super.onClose(info)
        if (++this.turns < 3) await this.runForever()
      }
    }
    const app = new Client(server.url)
    await app.runForever()
    expect(app.turns).toBe(3)
  })

  test.each(['onError', 'onClose'] as const)(
    'rejects with what %s throws, and can run again',
    async (method) => {
      const failure = new Error('mine')
      const app = new Recorder(await nowhere())
      app[method] = (): never => {
        throw failure
      }
      expect(await rejection(app.runForever())).toBe(failure)
      expect(await rejection(app.runForever())).toBe(failure)
      expect(app.events.filter((event) => event === 'close undefined')).toHaveLength(
        method === 'onError' ? 2 : 0,
      )
    },
  )
})

describe('WebSocketApp that is still connecting', () => {
  test.each<[string, (app: WebSocketApp) => unknown]>([
    ['close()', (app) => app.close()],
    ['await using', (app) => app[Symbol.asyncDispose]()],
  ])('gives up on %s, without an error', async (_what, close) => {
    const asked = defer()
    const dropped = defer()
    const server = await fakeServer((socket) => {
      socket.once('close', () => dropped.resolve())
      asked.resolve()
    })
    const app = new Recorder(server.url)
    const running = app.runForever()
    await asked.promise
    await close(app)
    expect(await running).toEqual({ errored: false })
    expect(app.events).toEqual(['close undefined'])
    await dropped.promise
  })

  test('gives up on close() right after it began, and can run again', async () => {
    const server = await start(() => {})
    const app = new Recorder(server.url)
    const running = app.runForever()
    await app.close()
    expect(await running).toEqual({ errored: false })
    expect(await app.runForever()).toEqual({ errored: false })
    expect(app.events).toEqual(['close undefined', 'open', 'close 1000'])
  })

  test('gives up on close() when the handshake has just ended', async () => {
    const ended = defer()
    const server = await start(async (connection) => {
      await connection.closed
      ended.resolve()
    })
    const app = new Recorder(server.url)
    // Called when the answer is found right, before anybody hears of it.
    const { removeEventListener } = EventTarget.prototype
    const spy = vi.spyOn(EventTarget.prototype, 'removeEventListener')
    spy.mockImplementation(function (this: EventTarget, type, listener, options) {
      removeEventListener.call(this, type, listener, options)
      if ((listener as { name?: string } | null)?.name === '#onAbort') void app.close()
    })
    onTestFinished(() => spy.mockRestore())
    expect(await app.runForever()).toEqual({ errored: false })
    expect(spy).toHaveBeenCalled()
    expect(app.events).toEqual(['close undefined'])
    await ended.promise
  })

  test('may be closed in onError and onClose', { timeout: 5000 }, async () => {
    class Client extends Recorder {
      override async onError(error: unknown): Promise<void> {
        super.onError(error)
        await this.close()
      }

      override async onClose(info: CloseInfo | undefined): Promise<void> {
        super.onClose(info)
        await this.close()
      }
    }
    const app = new Client(await nowhere())
    expect(await app.runForever()).toEqual({ errored: true })
    expect(app.events).toEqual(['error', 'close undefined'])
  })

  test("gives up when the app's own signal aborts, and tells onError why", async () => {
    const controller = new AbortController()
    const reason = new Error('changed my mind')
    const server = await fakeServer(() => controller.abort(reason))
    const app = new Recorder(server.url, { signal: controller.signal })
    expect(await app.runForever()).toEqual({ errored: true })
    expect(await app.runForever()).toEqual({ errored: true })
    expect(app.errors).toEqual([reason, reason])
    expect(app.events).toEqual(['error', 'close undefined', 'error', 'close undefined'])
  })
})

describe("WebSocketApp.runForever's signal", () => {
  test('closes the connection with 1000', async () => {
    const server = await start(stay)
    const controller = new AbortController()
    class Client extends Recorder {
      override onOpen(): void {
        super.onOpen()
        controller.abort()
      }
    }
    const app = new Client(server.url)
    expect(await app.runForever({ signal: controller.signal })).toEqual({ errored: false })
    expect(app.events).toEqual(['open', 'close 1000'])
    expect(app.lastInfo).toMatchObject({ initiator: 'local', clean: true })
  })

  test('ends the connecting', async () => {
    const controller = new AbortController()
    const server = await fakeServer(() => controller.abort())
    const app = new Recorder(server.url)
    expect(await app.runForever({ signal: controller.signal })).toEqual({ errored: false })
    expect(app.events).toEqual(['close undefined'])
  })

  test('aborted already: it does not dial', async () => {
    let isDialled = false
    const server = await fakeServer(() => {
      isDialled = true
    })
    const app = new Recorder(server.url)
    expect(await app.runForever({ signal: AbortSignal.abort() })).toEqual({ errored: false })
    expect(app.events).toEqual(['close undefined'])
    expect(isDialled).toBe(false)
  })

  test('is forgotten after the run', async () => {
    const server = await start(() => {})
    const { signal } = new AbortController()
    const added = vi.spyOn(signal, 'addEventListener')
    const removed = vi.spyOn(signal, 'removeEventListener')
    const app = new Recorder(server.url, { signal })
    await app.runForever({ signal })
    expect(added.mock.calls).toHaveLength(2)
    expect(removed.mock.calls).toEqual(added.mock.calls)
  })

  test.each(['app', 'run'])('must be one: %s', async (whose) => {
    const wrong = { signal: {} as AbortSignal }
    const app = new Recorder('ws://localhost:1/', whose === 'app' ? wrong : {})
    await expect(app.runForever(whose === 'run' ? wrong : {})).rejects.toThrow(
      new TypeError('signal must be an AbortSignal'),
    )
    expect(app.events).toEqual([])
  })
})

describe('WebSocketApp is closed by `await using`', () => {
  test('when it is open', async () => {
    const server = await start(stay)
    const opened = defer()
    class Client extends Recorder {
      override onOpen(): void {
        opened.resolve()
      }
    }
    let running: Promise<unknown>
    {
      await using app = new Client(server.url)
      running = app.runForever()
      await opened.promise
    }
    expect(await running).toEqual({ errored: false })
  })
})

describe('WebSocketApp without an open connection', () => {
  test('rejects what it should send', async () => {
    const app = new Recorder('ws://localhost:1/')
    await expect(app.send('x')).rejects.toBeInstanceOf(StateError)
    const server = await start(() => {})
    const done = new Recorder(server.url)
    await done.runForever()
    await expect(done.send('x')).rejects.toThrow('the app has no open connection to send on')
  })

  test('has nothing to close', async () => {
    await new Recorder('ws://localhost:1/').close()
  })
})
