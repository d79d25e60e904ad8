import { once } from 'node:events'
import { connect as connectPlain, createServer, type Server, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { beforeAll, describe, expect, test } from 'vitest'
import { engine } from '../../src/kernel/engine.ts'
import { FrameReader } from '../../src/trace/frame-reader.ts'
import { type TapListener, TapTransport } from '../../src/trace/tap-transport.ts'
import { MemoryTransport } from '../../src/transport/memory-transport.ts'
import { prepareSockets, SocketTransport } from '../../src/transport/socket-transport.ts'
import type { Transport } from '../../src/transport/transport.ts'
import { describeTransport, marked, put, Recorder, turns } from '../contract/transport.ts'
import { chunksOf, concat, frame, RFC_KEY } from '../support/bytes.ts'
import { tlsCertificate, tlsKey } from '../support/tls.ts'

const NO_HEAD = new Uint8Array(0)

/** Write down what a tap tells. */
class Ear implements TapListener {
  readonly facts: string[] = []
  readonly sent: FrameReader
  readonly received: FrameReader

  constructor(onFact: (fact: string) => void = () => {}) {
    const note = (fact: string): void => {
      this.facts.push(fact)
      onFact(fact)
    }
    const reader = (sigil: string): FrameReader =>
      new FrameReader(75, undefined, ({ opcode, received }) => note(`${sigil} ${opcode} ${received}`))
    this.sent = reader('>')
    this.received = reader('<')
  }

  onPeerEnd(): void {
    this.facts.push('peer end')
  }

  onEnd(): void {
    this.facts.push('end')
  }

  onDestroy(): void {
    this.facts.push('destroy')
  }
}

function tap(transport: Transport, ear: TapListener = new Ear()): TapTransport {
  return new TapTransport(transport, engine.kernel, ear)
}

// --- the contract ---

const servers: Server[] = []
const sockets: Socket[] = []

async function connectSockets(isSecure: boolean): Promise<{ one: Transport; other: Transport }> {
  const common = { allowHalfOpen: true, pauseOnConnect: !isSecure }
  const server = isSecure
    ? createTlsServer({ ...common, key: tlsKey, cert: tlsCertificate })
    : createServer(common)
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const accepted = once(server, isSecure ? 'secureConnection' : 'connection')
  const where = { host: '127.0.0.1', port, allowHalfOpen: true }
  const dialled = isSecure
    ? connectTls({ ...where, ca: tlsCertificate, servername: 'localhost' } as never)
    : connectPlain(where)
  const [[socket]] = (await Promise.all([
    accepted,
    once(dialled, isSecure ? 'secureConnect' : 'connect'),
  ])) as unknown as [[Socket], unknown]
  sockets.push(socket, dialled)
  const make = (each: Socket): Transport => tap(new SocketTransport(each, NO_HEAD, engine.kernel))
  return { one: make(socket), other: make(dialled) }
}

async function cleanUp(): Promise<void> {
  for (const socket of sockets.splice(0)) {
    socket.on('error', () => {})
    socket.destroy()
  }
  for (const server of servers.splice(0)) {
    server.close()
    await once(server, 'close')
  }
}

beforeAll(prepareSockets)

describeTransport('TapTransport over memory', {
  kernel: () => engine.kernel,
  connect: async () => {
    const [one, other] = MemoryTransport.pair()
    return { one: tap(one), other: tap(other) }
  },
  deliveredAfterPause: 0,
})

describeTransport('TapTransport over memory in small pieces', {
  kernel: () => engine.kernel,
  connect: async () => {
    const [one, other] = MemoryTransport.pair({ chunkSize: 10_000 })
    return { one: tap(one), other: tap(other) }
  },
  deliveredAfterPause: 0,
})

for (const isSecure of [false, true]) {
  describeTransport(`TapTransport over ${isSecure ? 'tls' : 'tcp'}`, {
    kernel: () => engine.kernel,
    connect: () => connectSockets(isSecure),
    cleanUp,
    deliveredAfterPause: isSecure ? 64 * 1024 : 0,
  })
}

// --- what it hears ---

function connect(ear: TapListener = new Ear()): {
  tapped: TapTransport
  other: MemoryTransport
  here: Recorder
  there: Recorder
} {
  const [one, other] = MemoryTransport.pair()
  const tapped = tap(one, ear)
  const here = new Recorder(engine.kernel)
  const there = new Recorder(engine.kernel)
  tapped.start(here)
  other.start(there)
  return { tapped, other, here, there }
}

describe('TapTransport', () => {
  test('hears frames however they are written', async () => {
    const ear = new Ear()
    const { tapped, there } = connect(ear)
    put(tapped, frame(0x81, 'copied'))
    const large = frame(0x82, marked(70_000))
    put(tapped, large.slice(0, 10))
    tapped.appendByReference(large.slice(10))
    tapped.appendShared(frame(0x81, 'shared'))
    tapped.appendShared(frame(0x81, 'shared too'))
    const start = tapped.reserve(1000)
    tapped.bytes.fill(0, start, start + 1000)
    put(tapped, frame(0x89, 'last'))
    expect(ear.facts).toEqual(['> 1 6', '> 2 70000', '> 1 6', '> 1 10', '> 9 4'])
    tapped.flush()
    await there.untilSize(70_000 + 10 + 8 + 8 + 12 + 6)
  })

  test('writes what is shared by a transport that cannot share', () => {
    const [one] = MemoryTransport.pair()
    const ear = new Ear()
    const plain = new Proxy(one, {
      get: (target, name) => {
        const value = name === 'appendShared' ? undefined : (target as never)[name]
        return typeof value === 'function' ? (value as () => void).bind(target) : value
      },
    })
    tap(plain, ear).appendShared(frame(0x81, 'x'))
    expect(ear.facts).toEqual(['> 1 1'])
    one.destroy()
  })

  test('hears what comes, before it is handed on', async () => {
    const order: string[] = []
    const ear = new Ear((fact) => order.push(fact))
    const { other, here } = connect(ear)
    here.reaction = () => order.push('handler')
    for (const chunk of chunksOf(frame(0x81, 'hello', RFC_KEY), 4)) {
      put(other, chunk)
      other.flush()
    }
    await here.untilSize(11)
    expect(order).toEqual(['handler', 'handler', '< 1 5', 'handler'])
  })

  test('hears the ends, each once', async () => {
    const ear = new Ear()
    const { tapped, other, here } = connect(ear)
    tapped.end()
    tapped.end()
    other.end()
    await here.untilEvent('closed')
    tapped.destroy()
    expect(ear.facts).toEqual(['end', 'peer end'])
  })

  test('hears of a frame that was cut off', async () => {
    const ear = new Ear()
    const { tapped, other, here } = connect(ear)
    put(other, frame(0x82, marked(100)).slice(0, 50))
    await here.untilSize(50)
    tapped.destroy()
    await here.untilEvent('closed')
    expect(ear.facts).toEqual(['destroy', '< 2 48'])
  })

  test('goes on without an ear that fails', async () => {
    const ear = new Ear(() => {
      throw new Error('a mistake')
    })
    const { tapped, other, here, there } = connect(ear)
    put(tapped, frame(0x81, 'out'))
    put(other, frame(0x81, 'in'))
    put(tapped, frame(0x81, 'out'))
    await there.untilSize(10)
    await here.untilSize(4)
    expect(ear.facts).toEqual(['> 1 3'])
    tapped.end()
    other.end()
    await here.untilEvent('closed')
  })

  test('hands bytes on as they came, whatever an ear does to the memory they came in', async () => {
    const { kernel } = engine
    const heard = frame(0x81, 'first')
    let inner!: { onRead(length: number): void; onData(bytes: Uint8Array): void }
    const [one] = MemoryTransport.pair()
    const passive = new Proxy(one, {
      get: (target, name) => {
        if (name === 'start') return (handler: typeof inner) => void (inner = handler)
        const value = (target as never)[name]
        return typeof value === 'function' ? (value as () => void).bind(target) : value
      },
    })
    const landing = new Uint8Array(100)
    const ear = new Ear(() => {
      kernel.memory.fill(0x5a, kernel.readStart, kernel.readStart + 100)
      landing.fill(0x5a)
    })
    const here = new Recorder(kernel)
    tap(passive, ear).start(here)
    kernel.memory.set(heard, kernel.readStart)
    inner.onRead(heard.length)
    landing.set(heard)
    inner.onData(landing.subarray(0, heard.length))
    expect(here.bytes.equals(concat(heard, heard))).toBe(true)
    one.destroy()
  })

  test('keeps the order of input that comes while an ear is told', async () => {
    let inner!: { onData(bytes: Uint8Array): void; onEnd(): void; onClosed(error: undefined): void }
    const [one] = MemoryTransport.pair()
    const passive = new Proxy(one, {
      get: (target, name) => {
        if (name === 'start') return (handler: typeof inner) => void (inner = handler)
        const value = (target as never)[name]
        return typeof value === 'function' ? (value as () => void).bind(target) : value
      },
    })
    const ear = new Ear((fact) => {
      // As a TLS socket does when a write makes it read.
      if (fact !== '< 1 5') return
      inner.onData(frame(0x81, 'second'))
      inner.onEnd()
      inner.onClosed(undefined)
    })
    const here = new Recorder(engine.kernel)
    tap(passive, ear).start(here)
    inner.onData(frame(0x81, 'first'))
    expect(here.bytes.subarray(2).toString()).toBe('first')
    await turns(1)
    expect(here.bytes.subarray(9).toString()).toBe('second')
    expect(here.events).toEqual(['end', 'closed'])
    expect(ear.facts).toEqual(['< 1 5', '< 1 6', 'peer end'])
    one.destroy()
  })
})
