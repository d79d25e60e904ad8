// How long it takes to decompress a message that a client compressed with zlib's defaults. OPENLINE_KERNEL=javascript
// leaves all of them to zlib.

import { deflateRawSync, constants as zlib } from 'node:zlib'
import { Inflater } from '../../src/deflate/inflater.ts'
import { createZlib } from '../../src/deflate/sync-zlib.ts'
import { makeDocument } from './documents.ts'
import { type Case, formatSize, measure, report } from './measure.ts'

const SIZES = [1024, 4096, 16 * 1024]
// As many as the load generator has: fewer would be learnt by heart by the processor.
const MESSAGES = 64
const WINDOW_BITS = 12
const TAIL = 4

const kernel = process.env.OPENLINE_KERNEL ?? 'wasm'
let received = 0
const sink = {
  onOutput(_: Uint8Array, start: number, end: number): boolean {
    received += end - start
    return true
  },
}

function* cases(): Generator<Case> {
  for (const size of SIZES) {
    const documents = Array.from({ length: MESSAGES }, (_, index) => makeDocument(size, index))
    for (const keepsWindow of [true, false]) {
      const inflater = new Inflater(WINDOW_BITS)
      const compress = keepsWindow ? createSender() : compressAlone
      // With a window, the second cycle can be decompressed again and again: what it refers to is the same each time.
      if (keepsWindow) for (const document of documents) inflate(inflater, compress(document))
      const messages = documents.map(compress)
      const run = (): void => {
        for (const message of messages) {
          inflate(inflater, message)
          if (!keepsWindow) inflater.reset()
        }
      }
      received = 0
      run()
      if (received !== size * MESSAGES) throw new Error(`${received} bytes came out`)
      yield {
        columns: { inflater: kernel, size: formatSize(size), window: keepsWindow ? 'kept' : 'empty' },
        units: MESSAGES,
        bytes: size,
        run,
      }
    }
  }
}

function inflate(inflater: Inflater, message: Uint8Array): void {
  if (inflater.inflateSmall(message, 0, message.length - TAIL, sink)) return
  const result = inflater.inflate(message, 0, message.length, true, sink)
  if (result !== 'done') throw new Error(`a message was not decompressed: ${result}`)
}

/** Compress with one window. */
function createSender(): (document: string) => Uint8Array {
  const { _handle: handle, _writeState: state } = createZlib('deflate', { windowBits: WINDOW_BITS })
  return (document) => {
    const bytes = Buffer.from(document)
    const output = new Uint8Array(bytes.length * 2 + 64)
    handle.writeSync(zlib.Z_SYNC_FLUSH, bytes, 0, bytes.length, output, 0, output.length)
    return output.subarray(0, output.length - state[0]!)
  }
}

function compressAlone(document: string): Uint8Array {
  return deflateRawSync(document, { windowBits: WINDOW_BITS, finishFlush: zlib.Z_SYNC_FLUSH })
}

report(await measure(cases()))
