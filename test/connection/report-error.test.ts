import { describe, expect, test, vi } from 'vitest'
import type { Logger } from '../../src/connection/options.ts'
import { reportError } from '../../src/connection/report-error.ts'

const error = new Error('no')

describe('reportError', () => {
  test('logs what failed, and the error', () => {
    const logger = { error: vi.fn() }
    reportError(logger, 'a handler failed', error)
    expect(logger.error).toHaveBeenCalledExactlyOnceWith('openline: a handler failed', error)
  })

  test('survives a logger that throws', () => {
    const log = vi.fn(() => {
      throw new Error('the log is full')
    })
    reportError({ error: log }, 'a handler failed', error)
    expect(log).toHaveBeenCalledOnce()
  })
})

// --- what others make of it, cut down to what takes a line ---

/** pino: an error or fields first, then the message; what follows it fills its placeholders, and there are none. */
class Pino {
  readonly lines: unknown[] = []
  error<Fields extends object>(fields: Fields, message?: string, ...values: unknown[]): void
  error(message: string, ...values: unknown[]): void
  error(first: unknown, message?: string): void {
    if (typeof first === 'string') this.lines.push({ msg: first })
    else if (first instanceof Error) this.lines.push({ err: serialize(first), msg: message })
    else this.lines.push({ ...(first as object), msg: message })
  }
  bindings(): object {
    return {}
  }
}

/** bunyan: the same, but an error among fields is written as an object without its message. */
class Bunyan {
  readonly lines: unknown[] = []
  error(first: unknown, ...values: unknown[]): void {
    if (typeof first === 'string') this.lines.push({ msg: first })
    else if (first instanceof Error) this.lines.push({ err: serialize(first), msg: values[0] })
    else this.lines.push({ ...(JSON.parse(JSON.stringify(first)) as object), msg: values[0] })
  }
  addSerializers(): void {}
}

/** winston: of what stands behind the message it takes message and stack. */
class Winston {
  readonly lines: unknown[] = []
  error(message: string, ...meta: unknown[]): this {
    const [details] = meta as [{ message?: string; stack?: string } | undefined]
    const text = details?.message === undefined ? message : `${message} ${details.message}`
    this.lines.push({ level: 'error', message: text, stack: details?.stack })
    return this
  }
}

function serialize({ name, message, stack }: Error): object {
  return { name, message, stack }
}

describe('the line has the error with its stack, of', () => {
  function report(logger: Logger & { readonly lines: unknown[] }, thrown: unknown): unknown[] {
    reportError(logger, 'a handler failed', thrown)
    return logger.lines
  }

  test.each([new Pino(), new Bunyan()])('$constructor.name', (logger) => {
    const err = { name: 'Error', message: 'no', stack: error.stack }
    expect(report(logger, error)).toEqual([{ msg: 'openline: a handler failed', err }])
  })

  test.each([new Pino(), new Bunyan()])('$constructor.name, when it is none', (logger) => {
    expect(report(logger, 'a string')).toEqual([{ msg: 'openline: a handler failed', err: 'a string' }])
  })

  test('Winston', () => {
    expect(report(new Winston(), error)).toEqual([
      { level: 'error', message: 'openline: a handler failed no', stack: error.stack },
    ])
  })
})
