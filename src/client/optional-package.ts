// Packages that are not installed with this one: imported when they are first needed, and asked for in words when
// they are not there.

import { StateError } from '../errors.ts'

/** What the ways in which a package can be missing are called by Node and by bundlers. */
const MISSING: ReadonlySet<unknown> = new Set(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'])

/**
 * Import an optional package; `what` names what needs it. Rejects with StateError WS_PACKAGE_MISSING when it is not
 * installed, and with its own error when it is broken.
 */
export async function importOptional<Module>(
  load: () => Promise<Module>,
  name: string,
  what: string,
): Promise<Module> {
  try {
    return await load()
  } catch (error) {
    if (!MISSING.has((error as NodeJS.ErrnoException | undefined)?.code)) throw error
    throw new StateError('WS_PACKAGE_MISSING', `${what} needs "${name}": npm install ${name}`, {
      cause: error,
    })
  }
}
