// Reading into memory of our own. Node allocates 64 KiB for every read of a socket; with the means behind
// net.connect's option `onread` a socket writes into memory that it is given, also on sockets that a server
// accepted. These are internals of Node, so they are found by feature, tried out once before they are trusted,
// and `OPENLINE_SHARED_READ=off` turns them off. Without them sockets deliver by 'data' events.

import { Buffer } from 'node:buffer'
import { Socket } from 'node:net'
import { runLoopbackTrial } from './loopback-trial.ts'

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

// The socket keeps the memory alive: its handle has only the address.
function attach(found: ReadSymbols, socket: Socket, buffer: Uint8Array, callback: ReadCallback): boolean {
  const internals = socket as unknown as SocketInternals
  const handle = internals._handle
  if (typeof handle?.useUserBuffer !== 'function') return false
  const isAttached = internals[found.buffer] === buffer
  internals[found.buffer] = buffer
  internals[found.callback] = callback
  if (!isAttached) handle.useUserBuffer(buffer)
  return true
}

let trial: Promise<boolean> | undefined
let isTrusted = false

/** Find out once per process whether sockets can read into memory of ours. */
export function trySharedRead(): Promise<boolean> {
  trial ??= symbols === undefined ? Promise.resolve(false) : runTrial(symbols)
  return trial
}

/** Tell whether sockets can; false before the trial. */
export function canReadShared(): boolean {
  return isTrusted
}

/** Let the socket read into `buffer`; false where that is not possible. */
export function attachSharedRead(socket: Socket, buffer: Uint8Array, callback: ReadCallback): boolean {
  return isTrusted && symbols !== undefined && attach(symbols, socket, buffer, callback)
}

/** Have the socket's stream deliver again what is read: as copies, since a handle keeps its buffer. */
export function returnReads(socket: Socket): void {
  if (symbols !== undefined) (socket as unknown as SocketInternals)[symbols.callback] = pushRead
}

function pushRead(this: Socket, length: number): boolean {
  const buffer = (this as unknown as SocketInternals)[symbols!.buffer] as Uint8Array
  return this.push(Buffer.from(buffer.subarray(0, length)))
}

/** Send bytes through a loopback socket and see whether they come where they should, and whether it ends. */
async function runTrial(found: ReadSymbols): Promise<boolean> {
  const message = Buffer.from('openline reads into memory of its own')
  const memory = new Uint8Array(message.length)
  let received = 0
  let isRight = false
  let hasEnded = false
  await runLoopbackTrial((accepted, dialled) => {
    accepted.on('end', () => {
      hasEnded = true
    })
    const attached = attach(found, accepted, memory, (length) => {
      isRight =
        received === 0 &&
        length <= message.length &&
        message.subarray(0, length).equals(memory.subarray(0, length))
      received += length
      return true
    })
    accepted.resume()
    dialled.end(message)
    dialled.resume()
    return attached
  })
  isTrusted = isRight && received === message.length && hasEnded
  return isTrusted
}
