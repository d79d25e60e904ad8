// Hands lines to where they are wanted, and keeps what goes wrong there away from the connection.

import type { TraceSettings } from './enable-trace.ts'
import { escapeUnprintable } from './escape.ts'

/** How many connections each sink was told of. */
const counts = new WeakMap<TraceSettings['sink'], number>()

/** Print the lines of one connection. */
export class Printer {
  readonly #settings: TraceSettings
  readonly #number: number
  #isBroken = false

  /** `number` tells the connection from others of the same sink. */
  constructor(settings: TraceSettings, number: number) {
    this.#settings = settings
    this.#number = number
    counts.set(settings.sink, (counts.get(settings.sink) ?? 0) + 1)
  }

  /** Print one line; never throws. */
  print(line: string): void {
    if (this.#isBroken) return
    const { sink, time } = this.#settings
    const prefix = counts.get(sink)! > 1 ? `#${this.#number} ` : ''
    try {
      const moment = time ? `${new Date().toISOString()} ` : ''
      const result: unknown = sink(`${moment}${prefix}${escapeUnprintable(line)}`)
      // A sink that is a coroutine fails later.
      if (result instanceof Promise) result.catch(() => this.#break())
    } catch {
      this.#break()
    }
  }

  #break(): void {
    this.#isBroken = true
  }
}
