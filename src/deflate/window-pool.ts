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

class WindowPool<Kind extends Window> {
  readonly #free = new Map<string, Kind[]>()

  take(key: string, make: () => Kind): Kind {
    return this.#free.get(key)?.pop() ?? make()
  }

  give(key: string, window: Kind): void {
    let free = this.#free.get(key)
    if (free === undefined) this.#free.set(key, (free = []))
    if (free.length >= MOST_FREE) {
      window.close()
      return
    }
    window.reset()
    free.push(window)
  }
}

const deflaters = new WindowPool<Deflater | FastDeflater>()
const inflaters = new WindowPool<Inflater>()

/** Name a class of windows. */
export function nameSettings({ windowBits, level, memLevel }: DeflateSettings): string {
  return `${windowBits}/${level}/${memLevel}`
}

/** Tell whether messages can be compressed at once with these settings. */
export function canDeflateNow({ level }: DeflateSettings): boolean {
  return canRunSync() || (level === undefined && canCompressFast())
}

/** Take an empty window to compress with; only where `canDeflateNow`. */
export function takeDeflater(key: string, settings: DeflateSettings): Deflater | FastDeflater {
  return deflaters.take(key, () => {
    const fast = settings.level === undefined ? createFastDeflater(settings.windowBits) : undefined
    return fast ?? new Deflater(settings)
  })
}

/** Give it back, whatever it holds. */
export function giveDeflater(key: string, deflater: Deflater | FastDeflater): void {
  deflaters.give(key, deflater)
}

/** Take an empty window to decompress with. */
export function takeInflater(windowBits: number): Inflater {
  return inflaters.take(String(windowBits), () => new Inflater(windowBits))
}

/** Give it back; not after it failed, or while it works. */
export function giveInflater(windowBits: number, inflater: Inflater): void {
  inflaters.give(String(windowBits), inflater)
}
