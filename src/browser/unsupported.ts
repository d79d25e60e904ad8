// What a browser cannot do says so at once, and what to do instead.

import { StateError } from '../errors.ts'

/** Make the error for something that browsers do not let programs do. */
export function notInBrowser(what: string, instead: string): StateError {
  return new StateError('WS_NOT_IN_BROWSER', `${what}. ${instead}`)
}
