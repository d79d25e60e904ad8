// What a client that stays finds around it in a browser.

import type { ClientSurroundings } from '../reconnect/make-reconnection.ts'
import { systemClock } from '../timing/clock.ts'
import { systemSleepWatch } from '../timing/sleep-watch.ts'
import { type PageEvents, PageWakeUps } from './wake-ups.ts'

/** The browser's clock and what its page notices. */
export const browserSurroundings: ClientSurroundings = {
  clock: systemClock,
  wakeUps: new PageWakeUps(globalThis as PageEvents, systemSleepWatch),
  // No ping can be sent. A connection that the browser holds to be open is not thrown away because somebody looks at its
  // page again: the browser itself closes those that a change of network has broken.
  probe: () => Promise.resolve(),
}
