// What surrounds this build in a page or a worker, as an argument, so that tests can put their own in its place.

import { type Clock, systemClock } from '../timing/clock.ts'
import type { BrowserSocket } from './socket.ts'

/** Hold what a browser offers. */
export interface BrowserEnvironment {
  /** Absent where there is none. */
  readonly WebSocket: (new (url: string, subprotocols: string[]) => BrowserSocket) | undefined
  readonly clock: Clock
  /** What relative addresses are relative to; absent outside pages and workers. */
  readonly base: string | undefined
  /** False when the browser knows that it has no network. */
  readonly isOnline: boolean
}

interface PageGlobals {
  readonly WebSocket?: unknown
  readonly document?: { readonly baseURI: string }
  readonly location?: { readonly href: string }
  readonly navigator?: { readonly onLine?: boolean }
}

/** Look at the page or the worker that this runs in. */
export function pageEnvironment(): BrowserEnvironment {
  const page = globalThis as PageGlobals
  return {
    WebSocket: page.WebSocket as BrowserEnvironment['WebSocket'],
    clock: systemClock,
    base: page.document?.baseURI ?? page.location?.href,
    isOnline: page.navigator?.onLine !== false,
  }
}
