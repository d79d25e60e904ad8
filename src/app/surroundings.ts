// What a client that stays finds around it on Node.

import type { ClientSurroundings } from '../reconnect/make-reconnection.ts'
import { systemClock } from '../timing/clock.ts'
import { systemSleepWatch } from '../timing/sleep-watch.ts'

/** The system's clock and sleep; a peer shows that it lives by a pong. */
export const nodeSurroundings: ClientSurroundings = {
  clock: systemClock,
  wakeUps: systemSleepWatch,
  probe: (connection, signal) => connection.ping(undefined, { signal }),
}
