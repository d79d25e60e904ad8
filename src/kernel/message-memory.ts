// Memory for messages that are given away, and for large ones on their way out. Whoever gets a message may keep it, so
// its memory comes back by garbage collection only. Two habits beneath us make that dear for large messages, and both
// are mended here, once a program has received some MiB of them:
//   - Array buffers weigh nothing in V8's young generation. Up to Node 20 it collected that generation after 32 MiB
//     of them; later ones wait so long that a full marking comes first, which costs many times as much.
//   - glibc gives freed memory back to the system at once and asks for it again with the next message, page by page.
// `OPENLINE_MESSAGE_MEMORY=plain` turns both off.

import { Buffer } from 'node:buffer'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type CollectYoung = (options: { readonly type: 'minor' }) => void

// Node puts small typed arrays into its own heap, which is cheaper than memory that need not be zeroed.
const ZEROED_BELOW = 1024
// A third of what V8 itself used to wait for. With 24 MiB the full markings come back, because what was collected
// counts until it is swept; below 8 MiB the collections begin to show.
const PORTION = 12 * 1024 * 1024
// Where only messages died a collection takes a tenth of this, in ms. A program that keeps much of what is young, and
// so pays several times in a row, is left in peace for a while.
const LONG_COLLECTION = 2
const MOST_LONG_IN_A_ROW = 4
const PEACE = 512 * 1024 * 1024
// glibc learns from what it frees: up to this size a freed block tells it to keep twice as much (mallopt(3), the
// dynamic M_MMAP_THRESHOLD and M_TRIM_THRESHOLD). The block is never touched, so it takes no memory.
const LARGEST_LESSON = 32 * 1024 * 1024 - 64 * 1024

let isPlain = process.env.OPENLINE_MESSAGE_MEMORY === 'plain'
let collectYoung: CollectYoung | undefined
/** Bytes until the next collection. */
let left = PORTION
let longInARow = 0

/** Get memory of exactly this size whose content is undefined: every byte must be written before it is shown. */
export function allocateMessage(size: number): Uint8Array {
  if (size < ZEROED_BELOW) return new Uint8Array(size)
  account(size)
  return new Uint8Array(Buffer.allocUnsafeSlow(size).buffer)
}

/** Copy a part into memory of its own. */
export function copyMessage(bytes: Uint8Array, start: number, end: number): Uint8Array {
  if (end - start < ZEROED_BELOW) return bytes.slice(start, end)
  account(end - start)
  return new Uint8Array(bytes.subarray(start, end))
}

function account(size: number): void {
  left -= size
  if (left <= 0 && !isPlain) collect()
}

function collect(): void {
  left = PORTION
  collectYoung ??= prepare()
  if (collectYoung === undefined) {
    isPlain = true
    return
  }
  const started = performance.now()
  collectYoung({ type: 'minor' })
  longInARow = performance.now() - started > LONG_COLLECTION ? longInARow + 1 : 0
  if (longInARow >= MOST_LONG_IN_A_ROW) left = PEACE
}

/** Get V8's own function for it, and give glibc its lesson. */
function prepare(): CollectYoung | undefined {
  try {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as CollectYoung
    setFlagsFromString('--no-expose-gc')
    // What waits to be collected goes first: the lesson on top of it would make a full marking begin.
    collect({ type: 'minor' })
    if (process.platform === 'linux') teachAllocator()
    return collect
  } catch {
    // Other runtimes have no such flag.
    return undefined
  }
}

function teachAllocator(): void {
  const block: ArrayBuffer & { transfer?(size: number): ArrayBuffer } = new ArrayBuffer(LARGEST_LESSON)
  // Frees it at once; where that is missing, the collection that follows does.
  block.transfer?.(0)
}
