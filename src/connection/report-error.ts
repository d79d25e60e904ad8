// Reporting to a logger of the user's, which may fail itself. Loggers of one kind differ from those of others in where
// they want the error.

import type { Logger } from './options.ts'

/** Log an error of user code. A logger that throws must not turn it into a crash. */
export function reportError(logger: Logger, what: string, error: unknown): void {
  const message = `openline: ${what}`
  try {
    if (!takesFieldsFirst(logger)) logger.error(message, error)
    // As an Error it goes into the field that the logger was set up to write errors to, stack and all.
    else logger.error(error instanceof Error ? error : { err: error }, message)
  } catch {
    // There is nobody left to tell.
  }
}

// pino and bunyan drop what follows the message, and only they have these methods: pino the first, bunyan the second.
// winston writes message and stack of an error behind the message, but of one within an object nothing.
function takesFieldsFirst(logger: object): boolean {
  const { bindings, addSerializers } = logger as Readonly<Record<string, unknown>>
  return typeof bindings === 'function' || typeof addSerializers === 'function'
}
