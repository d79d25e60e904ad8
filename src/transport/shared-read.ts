// Reading into memory of our own. Node allocates 64 KiB for every read of a socket; with the means behind
// net.connect's option `onread` a socket writes into memory that it is given, also on sockets that a server
// accepted. These are internals of Node, so they are found by feature, tried out once before they are trusted,
// and `OPENLINE_SHARED_READ=off` turns them off. Without them sockets deliver by 'data' events.

import { createConnection, createServer, Socket } from 'node:net'

/** A socket, and the places in it that lead its reads. */
interface SocketInternals {
  _handle?: { useUserBuffer?(buffer: Uint8Array): void }
  [key: symbol]: unknown
}

interface ReadSymbols {
  readonly buffer: symbol
  readonly callback: symbol
}

/** Called with the socket as `this` and the number of bytes that lie at the start of the buffer. */
export type ReadCallback = (this: Socket, length: number) => boolean

const symbols = findSymbols()

function findSymbols(): ReadSymbols | undefined {
  if (process.env.OPENLINE_SHARED_READ === 'off') return undefined
  const own = Object.getOwnPropertySymbols(new Socket())
  const buffer = own.find((symbol) => symbol.description === 'kBuffer')
  const callback = own.find((symbol) => symbol.description === 'kBufferCb')
  return buffer === undefined || callback === undefined ? undefined : { buffer, callback }
}

function attach(found: ReadSymbols, socket: Socket, buffer: Uint8Array, callback: ReadCallback): boolean {
  const internals = socket as unknown as SocketInternals
  const handle = internals._handle
  if (typeof handle?.useUserBuffer !== 'function') return false
  internals[found.buffer] = buffer
  internals[found.callback] = callback
  handle.useUserBuffer(buffer)
  return true
}

let trial: Promise<boolean> | undefined
let isTrusted = false

/** Find out once per process whether sockets can read into memory of ours. */
export function trySharedRead(): Promise<boolean> {
  trial ??= symbols === undefined ? Promise.resolve(false) : runTrial(symbols)
  return trial
}

/** Let the socket read into `buffer`; false where that is not possible. */
export function attachSharedRead(socket: Socket, buffer: Uint8Array, callback: ReadCallback): boolean {
  return isTrusted && symbols !== undefined && attach(symbols, socket, buffer, callback)
}

const TRIAL_TIMEOUT = 1000

/** Send bytes through a loopback socket and see whether they come where they should, and whether it ends. */
async function runTrial(found: ReadSymbols): Promise<boolean> {
  const message = Buffer.from('openline reads into memory of its own')
  const memory = new Uint8Array(message.length)
  isTrusted = await new Promise<boolean>((resolve) => {
    let received = 0
    let isRight = false
    const server = createServer((socket) => {
      socket.on('error', finish)
      socket.on('end', finish)
      const attached = attach(found, socket, memory, (length) => {
        isRight =
          received === 0 &&
          length <= message.length &&
          message.subarray(0, length).equals(memory.subarray(0, length))
        received += length
        return true
      })
      if (!attached) finish()
      socket.resume()
    })
    let client: Socket | undefined
    const timer = setTimeout(finish, TRIAL_TIMEOUT)
    server.on('error', finish)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (address === null || typeof address === 'string') return
      client = createConnection(address.port, '127.0.0.1')
      client.on('error', finish)
      client.end(message)
      client.resume()
    })
    function finish(): void {
      clearTimeout(timer)
      client?.destroy()
      server.close()
      resolve(isRight && received === message.length)
    }
  })
  return isTrusted
}
