// Turns the trace on for all connections, and finds out what one of them is to print.

import { checkTrace, type TraceOptions } from '../connection/trace-options.ts'

/** Hold the options of a trace with all defaults filled in. */
export interface TraceSettings {
  readonly sink: (line: string) => void
  readonly maxBytes: number
  readonly redact: ((name: string, value: string) => string | undefined) | undefined
  readonly time: boolean
}

/** As in Python's websockets, WEBSOCKETS_MAX_LOG_SIZE. */
export const MAX_BYTES = 75

let general: TraceOptions | undefined

/**
 * Print the handshake and every frame of all connections that are opened from now on, of clients and servers, as
 * Python's websockets logs them: `> TEXT 'hello' [5 bytes]`. `false` ends it for those that are opened later; the
 * option `trace` of a connection comes before it.
 *
 * Credentials in headers and URLs are hidden, and what could steer a terminal is escaped; see `TraceOptions`. Payloads
 * are shown: do not trace what nobody may read. Throws a TypeError or RangeError that names a wrong option. Answers to
 * `enableTrace` of Python's websocket-client.
 *
 * @example
 * enableTrace({ sink: (line) => console.log(line) })
 */
export function enableTrace(on: boolean | TraceOptions = true): void {
  checkTrace(on)
  general = on === true ? {} : on === false ? undefined : on
}

/** Say what is to be printed of a connection with this option `trace`; `undefined` when nothing is. */
export function resolveTrace(own: boolean | TraceOptions | undefined): TraceSettings | undefined {
  const options =
    own === undefined ? general : own === true ? (general ?? {}) : own === false ? undefined : own
  if (options === undefined) return undefined
  const { sink = printToStderr, maxBytes = MAX_BYTES, redact, time = false } = options
  return { sink, maxBytes, redact, time }
}

function printToStderr(line: string): void {
  process.stderr.write(`${line}\n`)
}
