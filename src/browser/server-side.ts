// The names of this package that mean nothing in a browser: whoever calls them hears so.

import { notInBrowser } from './unsupported.ts'

/** A browser takes no connections. */
export function serve(): never {
  throw notInBrowser('serve()', 'Pages only connect: run the server on Node, Bun or Deno')
}

/** A browser takes no connections. */
export function upgrade(): never {
  throw notInBrowser('upgrade()', 'Pages only connect: run the server on Node, Bun or Deno')
}

/** A browser shows programs no frames. */
export function enableTrace(): never {
  throw notInBrowser('enableTrace()', 'Look at the frames in the network panel of the developer tools')
}

const LOOP = 'A page runs until it is left: call your function, without a loop'

/** A browser has a loop of its own, and no process. */
export function getEventLoop(): never {
  throw notInBrowser('getEventLoop()', LOOP)
}

/** A browser has a loop of its own, and no process. */
export class EventLoop {
  constructor() {
    throw notInBrowser('an EventLoop', LOOP)
  }
}
