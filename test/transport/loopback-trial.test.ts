import { once } from 'node:events'
import net, { createConnection, createServer, type Server, Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

type Run = typeof import('../../src/transport/loopback-trial.ts').runLoopbackTrial

let server: Server | undefined

beforeEach(() => {
  server = undefined
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})

afterEach(async () => {
  // Whatever came out, nothing is left behind that would keep a process alive.
  expect(vi.getTimerCount()).toBe(0)
  expect(server!.listening).toBe(false)
  vi.useRealTimers()
  vi.doUnmock('node:net')
  vi.resetModules()
})

interface Changes {
  /** Change the server of the trial before it listens. */
  readonly server?: (server: Server) => void
  readonly createConnection?: () => Socket
}

/** Load the trial with a net that is different. */
async function load(changes: Changes = {}): Promise<Run> {
  vi.resetModules()
  vi.doMock('node:net', () => ({
    ...net,
    createServer: (listener: (socket: Socket) => void) => {
      server = createServer(listener)
      changes.server?.(server)
      return server
    },
    createConnection: changes.createConnection ?? createConnection,
  }))
  return (await import('../../src/transport/loopback-trial.ts')).runLoopbackTrial
}

const unreachable = (): boolean => {
  throw new Error('must not begin')
}

describe('runLoopbackTrial', () => {
  test('connects two sockets, and resolves when they are closed', async () => {
    const run = await load()
    const events: string[] = []
    let received = ''
    await run((accepted, dialled) => {
      expect(accepted.remotePort).toBe(dialled.localPort)
      expect(accepted.localAddress).toBe('127.0.0.1')
      dialled.setEncoding('utf8').on('data', (text) => {
        received += text
      })
      accepted.on('close', () => events.push('accepted closed'))
      dialled.on('close', () => events.push('dialled closed'))
      accepted.end('all of it')
      return true
    })
    expect(received).toBe('all of it')
    expect(events).not.toEqual([])
  })

  test.each(['accepted', 'dialled'] as const)('resolves when the %s socket is closed', async (which) => {
    const run = await load()
    let sockets: Record<'accepted' | 'dialled', Socket> | undefined
    await run((accepted, dialled) => {
      sockets = { accepted, dialled }
      sockets[which].destroy()
      return true
    })
    expect(sockets![which].closed).toBe(true)
    expect(sockets!.dialled.destroyed).toBe(true)
  })

  test.each(['accepted', 'dialled'] as const)(
    'resolves when only the %s socket is closed, while the other keeps what nobody reads',
    async (which) => {
      const run = await load()
      let closed: Socket | undefined
      let open: Socket | undefined
      await run((accepted, dialled) => {
        ;[closed, open] = which === 'accepted' ? [accepted, dialled] : [dialled, accepted]
        const it = closed
        // It has arrived when it was read.
        open.once('readable', () => it.destroy())
        it.write('unread')
        return true
      })
      expect(closed!.closed).toBe(true)
      open!.destroy()
    },
  )

  test.each(['accepted', 'dialled'] as const)('resolves when the %s socket breaks', async (which) => {
    const run = await load()
    let sockets: Record<'accepted' | 'dialled', Socket> | undefined
    await run((accepted, dialled) => {
      sockets = { accepted, dialled }
      process.nextTick(() => sockets![which].destroy(new Error('broken')))
      return true
    })
    expect(sockets![which].destroyed).toBe(true)
    expect(sockets!.dialled.destroyed).toBe(true)
  })

  test('resolves when there is nothing to wait for, and closes both sockets', async () => {
    const run = await load()
    let sockets: Socket[] = []
    await run((accepted, dialled) => {
      sockets = [accepted, dialled]
      return false
    })
    expect(sockets[1]!.destroyed).toBe(true)
    if (!sockets[0]!.closed) await once(sockets[0]!, 'close')
  })

  test('waits for what does not come, but not longer than a second', async () => {
    const run = await load()
    let isResolved = false
    let trial!: Promise<void>
    const dialled = await new Promise<Socket>((resolve) => {
      trial = run((_, dialled) => {
        resolve(dialled)
        return true
      }).then(() => {
        isResolved = true
      })
    })
    await vi.advanceTimersByTimeAsync(999)
    expect(isResolved).toBe(false)
    expect(dialled.destroyed).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    await trial
    expect(dialled.destroyed).toBe(true)
  })

  test('resolves when nobody comes in time', async () => {
    const run = await load({ createConnection: () => new Socket() })
    const trial = run(unreachable)
    await once(server!, 'listening')
    await vi.advanceTimersByTimeAsync(1000)
    await trial
  })

  test('resolves where there is no loopback to listen on', async () => {
    const run = await load({
      server: (server) => {
        server.listen = () => {
          process.nextTick(() => server.emit('error', new Error('EACCES')))
          return server
        }
      },
    })
    await run(unreachable)
  })

  test('resolves in time where the server has no port', async () => {
    const run = await load({ server: (server) => vi.spyOn(server, 'address').mockReturnValue(null) })
    const trial = run(unreachable)
    await once(server!, 'listening')
    await vi.advanceTimersByTimeAsync(1000)
    await trial
  })

  test('resolves where listening is refused by throwing', async () => {
    const run = await load({
      server: (server) =>
        vi.spyOn(server, 'listen').mockImplementation(() => {
          throw new Error('ERR_ACCESS_DENIED')
        }),
    })
    await run(unreachable)
  })

  test('resolves when what is tried throws, and closes both sockets', async () => {
    const run = await load()
    let sockets: Socket[] = []
    await run((accepted, dialled) => {
      sockets = [accepted, dialled]
      throw new Error('a handle of another kind')
    })
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, true])
  })

  test('resolves where nothing can be dialled', async () => {
    const run = await load({ createConnection: () => createConnection('/there/is/no/such.sock') })
    await run(unreachable)
  })

  test('begins nothing with a stranger who comes before our own', async () => {
    const stranger = new Socket()
    const run = await load({
      server: (server) => server.once('listening', () => server.emit('connection', stranger)),
    })
    await run(unreachable)
  })

  test('resolves once, whatever happens afterwards', async () => {
    const run = await load()
    let sockets: Socket[] = []
    await run((accepted, dialled) => {
      sockets = [accepted, dialled]
      accepted.destroy(new Error('broken'))
      return false
    })
    for (const socket of sockets) {
      if (!socket.closed) await once(socket, 'close')
      socket.emit('error', new Error('and again'))
    }
  })
})
