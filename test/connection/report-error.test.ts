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

/** The part of pino that takes a line: fields or an error first, then the message. */
class Pino {
  readonly lines: unknown[] = []
  error<Fields extends object>(fields: Fields, message?: string, ...values: unknown[]): void
  error(message: string, ...values: unknown[]): void
  error(fields: unknown, message?: string, ..._: unknown[]): void {
    if (typeof fields === 'string') this.lines.push({ level: 50, msg: fields })
    else {
      const { err } = fields as { err?: Error }
      const serialized = err && { type: err.name, message: err.message, stack: err.stack }
      this.lines.push({ level: 50, ...(fields as object), err: serialized, msg: message })
    }
  }
  bindings(): object {
    return {}
  }
  child(): this {
    return this
  }
}

/** The part of bunyan that takes a line. */
class Bunyan extends Pino {
  override bindings = undefined as never
  addSerializers(): void {}
}

/** The part of winston that takes a line: of an error behind the message it takes message and stack. */
class Winston {
  readonly lines: unknown[] = []
  error(message: string, ...meta: unknown[]): this {
    const [details] = meta as [{ message?: string; stack?: string } | undefined]
    const text = details?.message === undefined ? message : `${message} ${details.message}`
    this.lines.push({ level: 'error', message: text, stack: details?.stack })
    return this
  }
  log(): this {
    return this
  }
  child(): this {
    return this
  }
}

describe('the line of', () => {
  function report<Kind extends Logger & { readonly lines: unknown[] }>(logger: Kind): unknown[] {
    reportError(logger, 'a handler failed', error)
    return logger.lines
  }

  test.each([new Pino(), new Bunyan()])('pino and bunyan has the error with its stack', (logger) => {
    expect(report(logger)).toEqual([
      {
        level: 50,
        msg: 'openline: a handler failed',
        err: { type: 'Error', message: 'no', stack: error.stack },
      },
    ])
  })

  test('winston has the error with its stack', () => {
    expect(report(new Winston())).toEqual([
      { level: 'error', message: 'openline: a handler failed no', stack: error.stack },
    ])
  })
})
