// Windows that nobody uses, for whoever needs one next: making one costs more than compressing a message.

import { Deflater, type DeflateSettings } from './deflater.ts'
import { canCompressFast, createFastDeflater, type FastDeflater } from './fast-deflater.ts'
import { Inflater } from './inflater.ts'
import { canRunSync } from './sync-zlib.ts'

// One of zlib's windows to compress with takes some 100 KiB, so only a few are kept.
const MOST_FREE = 4

interface Window {
  reset(): void
  close(): void
}

/** Hold windows of one class, which can stand for one another. */
export class WindowPool<Kind extends Window> {
  /** Names the class. */
  readonly name: string
  readonly #make: () => Kind
  readonly #free: Kind[] = []

  constructor(name: string, make: () => Kind) {
    this.name = name
    this.#make = make
  }

  /** Take an empty window. */
  take(): Kind {
    return this.#free.pop() ?? this.#make()
  }

  /** Give one back, whatever it holds; not after it failed, or while it works. */
  give(window: Kind): void {
    if (this.#free.length >= MOST_FREE) {
      window.close()
      return
    }
    window.reset()
    this.#free.push(window)
  }
}

/** Pools of windows to compress with, by the names of their settings. */
const deflaters = new Map<string, WindowPool<Deflater | FastDeflater>>()
/** Pools of windows to decompress with, by their bits. */
const inflaters = new Map<number, WindowPool<Inflater>>()

/** Name a class of windows. */
export function nameSettings({ windowBits, level, memLevel }: DeflateSettings): string {
  return `${windowBits}/${level}/${memLevel}`
}

/** Tell whether messages can be compressed at once with these settings. */
export function canDeflateNow({ level }: DeflateSettings): boolean {
  return canRunSync() || (level === undefined && canCompressFast())
}

/** Find the pool of windows to compress with; it gives some only where `canDeflateNow`. */
export function deflaterPool(settings: DeflateSettings): WindowPool<Deflater | FastDeflater> {
  const name = nameSettings(settings)
  let pool = deflaters.get(name)
  if (pool === undefined) {
    pool = new WindowPool(name, () => {
      const fast = settings.level === undefined ? createFastDeflater(settings.windowBits) : undefined
      return fast ?? new Deflater(settings)
    })
    deflaters.set(name, pool)
  }
  return pool
}

/** Find the pool of windows to decompress with. */
export function inflaterPool(windowBits: number): WindowPool<Inflater> {
  let pool = inflaters.get(windowBits)
  if (pool === undefined) {
    pool = new WindowPool(String(windowBits), () => new Inflater(windowBits))
    inflaters.set(windowBits, pool)
  }
  return pool
}
