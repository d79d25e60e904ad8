// What the trace of a connection can be told. Connections only carry it; the trace is made where they are opened.

/** Set up a trace: what is printed of a connection, and where. */
export interface TraceOptions {
  /**
   * Take one line, without an end of line. It must not send on the connection whose line it takes; once it throws, it
   * gets no more lines of that connection.
   * @default the error output of the process
   */
  readonly sink?: (line: string) => void
  /**
   * Longest excerpt of a payload, in bytes of text; of other payloads a third as many bytes are shown, since each takes
   * three characters. With 0 no payload is shown, only its size.
   * @default 75, as Python's websockets
   */
  readonly maxBytes?: number
  /**
   * Hide more than is hidden by default: return what to show in place of the value of a header, of a parameter of the
   * query, or of the whole target (its name is `target` then); `undefined` shows it. It is not asked about what is
   * hidden anyway, and where it throws the value is hidden.
   */
  readonly redact?: (name: string, value: string) => string | undefined
  /**
   * Begin each line with the time, in ISO 8601.
   * @default false
   */
  readonly time?: boolean
}

/** Throw a TypeError or RangeError that says what is wrong with the option `trace`. */
export function checkTrace(trace: boolean | TraceOptions | undefined): void {
  if (trace === undefined || typeof trace === 'boolean') return
  if (typeof trace !== 'object' || trace === null) {
    throw new TypeError('trace must be true, false or an object of options such as sink')
  }
  const { sink, maxBytes = 0, redact, time } = trace
  if (sink !== undefined && typeof sink !== 'function') throw new TypeError('trace.sink must be a function')
  if (redact !== undefined && typeof redact !== 'function') {
    throw new TypeError('trace.redact must be a function')
  }
  if (time !== undefined && typeof time !== 'boolean') throw new TypeError('trace.time must be true or false')
  if (typeof maxBytes !== 'number') {
    throw new TypeError(`trace.maxBytes must be a number, not ${typeof maxBytes}`)
  }
  if (!Number.isSafeInteger(maxBytes) || maxBytes < 0 || maxBytes > MOST_BYTES) {
    throw new RangeError(`trace.maxBytes must be a whole number from 0 to ${MOST_BYTES}, not ${maxBytes}`)
  }
}

/** 1 MiB: more than anybody reads of one line, and it is held for both directions of each connection. */
const MOST_BYTES = 1024 * 1024
