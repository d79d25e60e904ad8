// Reporting to a logger of the user's, which may fail itself. Loggers of one kind differ from those of others in where
// they want the error.

import type { Logger } from './options.ts'

/** Log an error of user code. A logger that throws must not turn it into a crash. */
export function reportError(logger: Logger, what: string, error: unknown): void {
  const message = `openline: ${what}`
  try {
    // pino and bunyan write the error with its stack when it is the field `err`, and drop what follows the message.
    if (takesFieldsFirst(logger)) logger.error({ err: error }, message)
    else logger.error(message, error)
  } catch {
    // There is nobody left to tell.
  }
}

// Only these have the methods, by any version: pino the first, bunyan the second.
function takesFieldsFirst(logger: object): boolean {
  return (
    typeof (logger as { bindings?: unknown }).bindings === 'function' ||
    typeof (logger as { addSerializers?: unknown }).addSerializers === 'function'
  )
}
