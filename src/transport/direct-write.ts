// Writing past the stream. A socket's stream does for each write what only some writes need: it makes a request
// object, calls back, schedules a tick; together that takes as long as the system call. The handle beneath it
// writes at once, and needs its request only for what the system does not take. These are internals of Node, so
// they are tried out once before they are trusted, and `OPENLINE_DIRECT_WRITE=off` turns them off. Without them
// all goes through the stream.

import { Buffer } from 'node:buffer'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { getSystemErrorName } from 'node:util'
import { runLoopbackTrial } from './loopback-trial.ts'

/** A write that the system did not take at once. */
interface WriteRequest {
  oncomplete?: (this: WriteRequest, status: number) => void
  /** Keeps the memory alive: the handle only has its address. */
  memory?: Uint8Array | readonly Uint8Array[]
  writer?: DirectWriter
}

interface WriteHandle {
  /** Bytes that the system has not taken. */
  readonly writeQueueSize: number
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number
  writev(request: WriteRequest, chunks: readonly Uint8Array[], areBuffers: true): number
}

/** What handles count, of sockets and of TLS. */
interface CountingHandle {
  /** Bytes that were handed to it. */
  readonly bytesWritten?: unknown
  /** Bytes of those that the system has not taken. */
  readonly writeQueueSize?: unknown
  /** What carries a handle of TLS. */
  readonly _parent?: CountingHandle | null
}

/** Node's binding of streams: the class of requests, and where a handle says how its last write went. */
interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest
  readonly streamBaseState: ArrayLike<number>
  readonly kLastWriteWasAsync: number
}

/** Be told when the system has taken all of a write that it did not take at once. */
export interface DirectWriter {
  /** With an error when it never will; the socket is of no use any more then. */
  receiveWritten(error: Error | undefined): void
}

const binding = findBinding()

function findBinding(): StreamBinding | undefined {
  if (process.env.OPENLINE_DIRECT_WRITE === 'off') return undefined
  // The binding is deprecated (DEP0111): whoever wants to end by such a warning must not end by ours.
  if ((process as { throwDeprecation?: boolean }).throwDeprecation === true) return undefined
  try {
    const { binding } = process as unknown as { binding?: (name: string) => Partial<StreamBinding> }
    const found = binding?.('stream_wrap')
    const isComplete =
      typeof found?.WriteWrap === 'function' &&
      found.streamBaseState !== undefined &&
      found.kLastWriteWasAsync !== undefined
    return isComplete ? (found as StreamBinding) : undefined
  } catch {
    // Other runtimes, and Node under its permission model, do not give it.
    return undefined
  }
}

let trial: Promise<boolean> | undefined
let isTrusted = false
/** The request for the next write: one serves all writes that the system takes at once. */
let spare: WriteRequest | undefined

/** Find out once per process whether sockets can be written to directly. */
export function tryDirectWrite(): Promise<boolean> {
  trial ??= binding === undefined ? Promise.resolve(false) : runTrial(binding)
  return trial
}

/** What `writeDirectly` returns where it cannot write: the stream has to do it. */
export const NOT_WRITTEN = -1

/**
 * Write bytes, and others behind them, and return how many of them the system did not take at once: then both must
 * stay unchanged until the writer is told. The stream of the socket must have nothing of its own to write.
 */
export function writeDirectly(
  socket: Socket,
  bytes: Uint8Array,
  more: Uint8Array | undefined,
  writer: DirectWriter,
): number {
  return writeToSocket(socket, more === undefined ? bytes : [bytes, more], writer)
}

/** Write several pieces as `writeDirectly` does. */
export function writeAllDirectly(
  socket: Socket,
  pieces: readonly Uint8Array[],
  writer: DirectWriter,
): number {
  return writeToSocket(socket, pieces.length === 1 ? pieces[0]! : pieces, writer)
}

/**
 * Count the bytes that the system has taken from a stream: its growth shows how a large write goes on, of which the
 * stream itself only tells the end. Where no handle counts, what is left over stands for it.
 */
export function countTaken(stream: Duplex): number {
  const handle = (stream as { _handle?: CountingHandle | null })._handle
  // TLS hands all that it has to the handle beneath it at once.
  return taken(handle?._parent) ?? taken(handle) ?? -stream.writableLength
}

function taken(handle: CountingHandle | null | undefined): number | undefined {
  const { bytesWritten, writeQueueSize } = handle ?? {}
  if (typeof bytesWritten !== 'number' || typeof writeQueueSize !== 'number') return undefined
  return bytesWritten - writeQueueSize
}

function writeToSocket(
  socket: Socket,
  bytes: Uint8Array | readonly Uint8Array[],
  writer: DirectWriter,
): number {
  if (!isTrusted || socket.writableEnded) return NOT_WRITTEN
  const handle = (socket as unknown as { _handle?: WriteHandle | null })._handle
  return handle == null ? NOT_WRITTEN : writeToHandle(binding!, handle, bytes, writer)
}

function writeToHandle(
  { WriteWrap, streamBaseState, kLastWriteWasAsync }: StreamBinding,
  handle: WriteHandle,
  bytes: Uint8Array | readonly Uint8Array[],
  writer: DirectWriter,
): number {
  spare ??= new WriteWrap()
  const request = spare
  const error =
    bytes instanceof Uint8Array ? handle.writeBuffer(request, bytes) : handle.writev(request, bytes, true)
  // A runtime that answers otherwise shows it in the trial, and is not trusted.
  if (typeof error !== 'number') return NOT_WRITTEN
  if (error < 0) {
    // The stream would only meet what follows from this error, and report that.
    writer.receiveWritten(writeError(error))
    return 0
  }
  if (streamBaseState[kLastWriteWasAsync] === 0) return 0
  spare = undefined
  request.memory = bytes
  request.writer = writer
  request.oncomplete = onComplete
  // The rest can be gone by now, but only the callback ends the request.
  return Math.max(handle.writeQueueSize, 1)
}

function onComplete(this: WriteRequest, status: number): void {
  const writer = this.writer!
  delete this.writer
  delete this.memory
  writer.receiveWritten(status < 0 ? writeError(status) : undefined)
}

function writeError(status: number): Error {
  const code = getSystemErrorName(status)
  return Object.assign(new Error(`write ${code}`), { code, errno: status, syscall: 'write' })
}

/** Write directly before, between and after writes of the stream, and see whether all comes and in order. */
async function runTrial(found: StreamBinding): Promise<boolean> {
  const written = ['by the stream, ', 'directly, ', 'as ', 'two, ', 'and by the stream again']
  const [first, second, third, fourth, last] = written.map((text) => Buffer.from(text)) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ]
  const received: Buffer[] = []
  let areTaken = false
  await runLoopbackTrial((accepted, dialled) => {
    dialled.on('data', (chunk: Buffer) => received.push(chunk))
    const handle = (accepted as unknown as { _handle?: Partial<WriteHandle> })._handle
    if (typeof handle?.writeBuffer !== 'function' || typeof handle.writev !== 'function') {
      return false
    }
    const writer = { receiveWritten() {} }
    accepted.write(first)
    areTaken =
      writeToHandle(found, handle as WriteHandle, second, writer) === 0 &&
      writeToHandle(found, handle as WriteHandle, [third, fourth], writer) === 0
    accepted.end(last)
    return areTaken
  })
  isTrusted = areTaken && Buffer.concat(received).toString() === written.join('')
  return isTrusted
}
