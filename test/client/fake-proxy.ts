// Proxies that do what they should, and remember what they were asked. What they forward to is up to the test.

import { createServer, type Socket, connect as tcpConnect } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { onTestFinished } from 'vitest'

/** Hold a proxy that is up until the test ends. */
export interface FakeProxy {
  readonly port: number
  /** The heads of CONNECT requests, or what SOCKS asked for. */
  readonly asked: string[]
  /** Resolves when every connection that came is closed. */
  allClosed(): Promise<void>
}

async function listen(
  asked: string[],
  onConnection: (socket: Socket) => void,
  tls?: TlsOptions,
): Promise<FakeProxy> {
  const sockets = new Set<Socket>()
  const ends: Promise<void>[] = []
  const server = tls === undefined ? createServer(onConnection) : createTlsServer(tls, onConnection)
  server.on('tlsClientError', () => {})
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    ends.push(new Promise((resolve) => socket.once('close', resolve)))
    socket.on('error', () => {})
  })
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as { port: number }).port,
    asked,
    allClosed: async () => void (await Promise.all(ends)),
  }
}

/** Join two sockets, whatever becomes of one of them. */
function join(left: Socket, right: Socket): void {
  for (const [one, other] of [
    [left, right],
    [right, left],
  ] as const) {
    one.on('error', () => {})
    one.on('close', () => other.destroy())
    one.pipe(other)
  }
}

/** What an HTTP proxy answers; `forward` makes the tunnel to the port on the loopback instead. */
export type ConnectAnswer = string | { readonly forward: number; readonly answer?: string }

/** Be an HTTP proxy. All names lead to the loopback. */
export async function fakeHttpProxy(
  decide: (head: string) => ConnectAnswer,
  tls?: TlsOptions,
): Promise<FakeProxy> {
  const asked: string[] = []
  const onConnection = (socket: Socket): void => {
    socket.on('error', () => {})
    let head = ''
    const onData = (chunk: Buffer): void => {
      head += chunk.toString('latin1')
      if (!head.includes('\r\n\r\n')) return
      socket.off('data', onData)
      asked.push(head)
      const answer = decide(head)
      if (typeof answer === 'string') {
        socket.write(answer)
        socket.resume()
        return
      }
      socket.pause()
      const onward = tcpConnect(answer.forward, '127.0.0.1', () => {
        socket.write(answer.answer ?? 'HTTP/1.1 200 Connection established\r\n\r\n')
        join(socket, onward)
      })
      onward.on('error', () => socket.destroy())
    }
    socket.on('data', onData)
  }
  return await listen(asked, onConnection, tls)
}

/** Forward each tunnel to the port that it asks for. */
export function forwardAll(head: string): ConnectAnswer {
  return { forward: Number(/^CONNECT \S+:(\d+) /.exec(head)?.[1]) }
}

/** Set up a SOCKS proxy. */
export interface SocksRules {
  /** Ask for these; without them nobody is asked. */
  readonly user?: { readonly username: string; readonly password: string }
  /** Refuse every request with this code. */
  readonly refuse?: number
  /** Bytes to send in the same packet as the answer. */
  readonly early?: Uint8Array
}

/** Be a SOCKS proxy of all versions. All names lead to the loopback. */
export async function fakeSocksProxy(rules: SocksRules = {}): Promise<FakeProxy> {
  const asked: string[] = []
  const onConnection = (socket: Socket): void => {
    let bytes = Buffer.alloc(0)
    let step: (() => boolean) | undefined = () => (bytes[0] === 4 ? version4() : version5())
    const take = (count: number): Buffer => {
      const taken = bytes.subarray(0, count)
      bytes = bytes.subarray(count)
      return taken
    }
    const go = (port: number, granted: readonly number[], refused: readonly number[]): boolean => {
      step = undefined
      if (rules.refuse !== undefined) {
        socket.end(Buffer.from(refused))
        return false
      }
      socket.pause()
      socket.removeAllListeners('data')
      const onward = tcpConnect(port, '127.0.0.1', () => {
        socket.write(Buffer.concat([Buffer.from(granted), rules.early ?? Buffer.alloc(0)]))
        join(socket, onward)
      })
      onward.on('error', () => socket.destroy())
      return false
    }
    const version4 = (): boolean => {
      const userEnd = bytes.indexOf(0, 8)
      if (bytes.length < 9 || userEnd === -1) return false
      const isName = bytes[4] === 0 && bytes[5] === 0 && bytes[6] === 0
      const nameEnd = isName ? bytes.indexOf(0, userEnd + 1) : userEnd
      if (nameEnd === -1) return false
      const port = bytes.readUInt16BE(2)
      const user = bytes.toString('latin1', 8, userEnd)
      const host = isName ? bytes.toString('latin1', userEnd + 1, nameEnd) : bytes.subarray(4, 8).join('.')
      asked.push(`4 ${host}:${port} ${user}`.trim())
      return go(port, [0, 0x5a, 0, 0, 0, 0, 0, 0], [0, rules.refuse ?? 0, 0, 0, 0, 0, 0, 0])
    }
    const version5 = (): boolean => {
      const methods = bytes[1] ?? Number.POSITIVE_INFINITY
      if (bytes.length < 2 + methods) return false
      const offered = [...take(2 + methods).subarray(2)]
      const method = rules.user === undefined ? 0 : 2
      if (!offered.includes(method)) {
        socket.end(Buffer.from([5, 0xff]))
        return false
      }
      socket.write(Buffer.from([5, method]))
      step = rules.user === undefined ? request5 : user5
      return true
    }
    const user5 = (): boolean => {
      const nameLength = bytes[1] ?? 0
      const passwordLength = bytes[2 + nameLength] ?? Number.POSITIVE_INFINITY
      if (bytes.length < 3 + nameLength + passwordLength) return false
      const given = take(3 + nameLength + passwordLength)
      const username = given.toString('utf8', 2, 2 + nameLength)
      const password = given.toString('utf8', 3 + nameLength)
      const isRight = username === rules.user!.username && password === rules.user!.password
      socket.write(Buffer.from([1, isRight ? 0 : 1]))
      step = isRight ? request5 : undefined
      return isRight
    }
    const request5 = (): boolean => {
      const size = bytes[3] === 1 ? 4 : bytes[3] === 4 ? 16 : 1 + (bytes[4] ?? 0)
      if (bytes.length < 6 + size) return false
      const request = take(6 + size)
      const port = request.readUInt16BE(4 + size)
      const host =
        request[3] === 1
          ? request.subarray(4, 8).join('.')
          : request[3] === 4
            ? request.toString('hex', 4, 20)
            : request.toString('latin1', 5, 4 + size)
      asked.push(`5 ${host}:${port}`)
      return go(port, [5, 0, 0, 1, 0, 0, 0, 0, 0, 0], [5, rules.refuse ?? 0, 0, 1, 0, 0, 0, 0, 0, 0])
    }
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      while (step?.()) {}
    })
  }
  return await listen(asked, onConnection)
}
