// Reporting to a logger of the user's, which may fail itself.

import type { Logger } from './options.ts'

/** Log an error of user code. A logger that throws must not turn it into a crash. */
export function reportError(logger: Logger, what: string, error: unknown): void {
  try {
    logger.error(`openline: ${what}`, error)
  } catch {
    // There is nobody left to tell.
  }
}
