// zlib without its thread pool. Node's streams hand each piece of work to another thread and wait for it, which takes
// a hundred times as long as the work itself when messages are small. The handle beneath a stream can also work at
// once. These are internals of Node, so they are watched and tried out before they are trusted, and
// `OPENLINE_SYNC_ZLIB=off` turns them off. Without them all goes through streams.

import { Buffer } from 'node:buffer'
import { constants, createDeflateRaw, createInflateRaw, type ZlibOptions } from 'node:zlib'

/** The part of a zlib stream's handle that is used here. */
export interface ZlibHandle {
  onerror: (...details: unknown[]) => void
  /** Work until the input is used up or the output is full; what is left of both then stands in the write state. */
  writeSync(
    flush: number,
    input: Uint8Array,
    inputOffset: number,
    inputLength: number,
    output: Uint8Array,
    outputOffset: number,
    outputLength: number,
  ): void
  reset(): void
}

/** A zlib stream with what lies beneath it. */
export interface ZlibStream extends NodeJS.ReadWriteStream {
  readonly _handle: ZlibHandle
  /** What the last write left: room in the output, and bytes of the input. */
  readonly _writeState: Uint32Array
  /** Where a stream puts what it makes on the thread pool. */
  _chunkSize: number
  _outBuffer: Uint8Array
  _outOffset: number
  reset(): void
  close(): void
}

/** Make a stream that flushes after each write. */
export function createZlib(kind: 'deflate' | 'inflate', options: ZlibOptions): ZlibStream {
  const create = kind === 'deflate' ? createDeflateRaw : createInflateRaw
  return create({ ...options, flush: constants.Z_SYNC_FLUSH }) as unknown as ZlibStream
}

let isTrusted: boolean | undefined

/** Tell whether zlib can be driven at once here; found out when it is first asked. */
export function canRunSync(): boolean {
  isTrusted ??= process.env.OPENLINE_SYNC_ZLIB !== 'off' && passesTrial()
  return isTrusted
}

// A handle that is called otherwise than it expects ends the process. So Node itself is watched first: it drives its
// handles in the same way for its synchronous functions.
function passesTrial(): boolean {
  try {
    return isCalledAsExpected() && worksAsExpected()
  } catch {
    return false
  }
}

function isCalledAsExpected(): boolean {
  const stream = createDeflateRaw() as unknown as ZlibStream & {
    _processChunk(chunk: Uint8Array, flush: number): Uint8Array
  }
  const handle = stream._handle
  const { writeSync } = handle
  const calls: unknown[][] = []
  handle.writeSync = function (this: ZlibHandle, ...values: unknown[]) {
    calls.push(values)
    return (writeSync as (...values: unknown[]) => void).apply(this, values)
  }
  const input = Buffer.from('watched')
  stream._processChunk(input, constants.Z_SYNC_FLUSH)
  stream.close()
  const [call] = calls
  if (call?.length !== 7) return false
  const [flush, bytes, inputOffset, inputLength, output, outputOffset, outputLength] = call
  return (
    flush === constants.Z_SYNC_FLUSH &&
    bytes === input &&
    inputOffset === 0 &&
    inputLength === input.length &&
    output instanceof Uint8Array &&
    outputOffset === 0 &&
    outputLength === output.length &&
    stream._writeState instanceof Uint32Array &&
    typeof stream._chunkSize === 'number' &&
    stream._outBuffer instanceof Uint8Array &&
    typeof stream._outOffset === 'number'
  )
}

/** Compress a message twice, decompress both, and see that the window is kept and that nonsense is noticed. */
function worksAsExpected(): boolean {
  const deflater = createZlib('deflate', { windowBits: 9 })
  const inflater = createZlib('inflate', { windowBits: 9 })
  const message = 'a message that is sent twice'
  const sizes: number[] = []
  let isRight = true
  for (let turn = 0; turn < 2; turn++) {
    const compressed = runOnce(deflater, Buffer.from(message))
    sizes.push(compressed.length)
    isRight &&= Buffer.from(runOnce(inflater, compressed)).toString() === message
  }
  let hasFailed = false
  inflater._handle.onerror = () => {
    hasFailed = true
  }
  runOnce(inflater, Buffer.from('ffffffff', 'hex'))
  deflater.close()
  inflater.close()
  return isRight && hasFailed && sizes[1]! < sizes[0]! / 2
}

function runOnce({ _handle: handle, _writeState: state }: ZlibStream, input: Uint8Array): Uint8Array {
  const output = Buffer.alloc(256)
  handle.writeSync(constants.Z_SYNC_FLUSH, input, 0, input.length, output, 0, output.length)
  return output.subarray(0, output.length - state[0]!)
}
