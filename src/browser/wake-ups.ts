// When a page should try again at once: it has a network again, somebody looks at it again, or it was asleep.

import type { WakeUps } from '../timing/sleep-watch.ts'

/** What a page or a worker tells about itself. */
export interface PageEvents {
  addEventListener?(type: string, listener: () => void): void
  removeEventListener?(type: string, listener: () => void): void
  readonly document?: {
    readonly visibilityState: string
    addEventListener(type: string, listener: () => void): void
    removeEventListener(type: string, listener: () => void): void
  }
}

/** Notice what a page notices, and sleep. */
export class PageWakeUps implements WakeUps {
  readonly #page: PageEvents
  readonly #sleep: WakeUps

  constructor(page: PageEvents, sleep: WakeUps) {
    this.#page = page
    this.#sleep = sleep
  }

  subscribe(callback: () => void): () => void {
    const page = this.#page
    const { document } = page
    const isHidden = (): boolean => document?.visibilityState === 'hidden'
    // The same function twice is two subscriptions.
    const call = (): void => callback()
    const whenSeen = (): void => {
      if (!isHidden()) call()
    }
    page.addEventListener?.('online', call)
    // Out of the cache of pages that were left, where nothing ran.
    page.addEventListener?.('pageshow', call)
    document?.addEventListener('visibilitychange', whenSeen)
    // Browsers slow timers down where nobody looks, and that looks like sleep.
    const stop = this.#sleep.subscribe(whenSeen)
    return () => {
      stop()
      page.removeEventListener?.('online', call)
      page.removeEventListener?.('pageshow', call)
      document?.removeEventListener('visibilitychange', whenSeen)
    }
  }
}
