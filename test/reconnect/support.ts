// Connections that exist only in the memory of a test.

import type { ConnectOptions } from '../../src/client/options.ts'
import { NOTHING_MEASURED } from '../../src/connection/diagnosis.ts'
import type { CloseFacts, CloseInfo } from '../../src/protocol/close-code.ts'
import type { Attempt, Connect } from '../../src/reconnect/attempt.ts'
import type { ClientSurroundings } from '../../src/reconnect/make-reconnection.ts'
import {
  type ResolvedRetryOptions,
  type RetryOptions,
  resolveRetryOptions,
} from '../../src/reconnect/options.ts'
import { Reconnector, type Surroundings } from '../../src/reconnect/reconnector.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { type ConnectedPair, connectedPair, type PairOptions } from '../../src/testing/index.ts'
import type { WakeUps } from '../../src/timing/sleep-watch.ts'

/** Facts of an end of which nothing is known. */
export const NO_FACTS: CloseFacts = {
  ...NOTHING_MEASURED,
  limit: undefined,
  systemError: undefined,
  cause: undefined,
}

export function closeInfo(fields: Partial<CloseInfo> = {}): CloseInfo {
  return {
    code: 1006,
    reason: '',
    received: undefined,
    sent: undefined,
    initiator: 'remote',
    clean: false,
    diagnosis: 'the peer ended the TCP connection without a close frame',
    error: undefined,
    ...fields,
  }
}

/** Be a connection that a test ends. */
export class FakeConnection {
  readonly closed: Promise<CloseInfo>
  end!: (info?: Partial<CloseInfo>) => void

  constructor() {
    this.closed = new Promise((resolve) => {
      this.end = (info) => resolve(closeInfo(info))
    })
  }

  close(): Promise<CloseInfo> {
    this.end({ code: 1000, initiator: 'local', clean: true })
    return this.closed
  }

  terminate(): void {
    this.end({ initiator: 'local', diagnosis: 'terminate() was called' })
  }
}

/** Be what surrounds an engine; attempts give what `script` holds, in order, and connections after that. */
export class FakeSurroundings implements Surroundings<FakeConnection> {
  readonly clock: FakeClock = new FakeClock()
  readonly attempts: Attempt[] = []
  readonly connections: FakeConnection[] = []
  readonly sleepers: Set<() => void> = new Set()
  script: unknown[] = []
  probe: (connection: FakeConnection, signal: AbortSignal) => Promise<unknown> = async () => {}
  readonly wakeUps: WakeUps = {
    subscribe: (callback) => {
      this.sleepers.add(callback)
      return () => this.sleepers.delete(callback)
    },
  }

  async dial(attempt: Attempt): Promise<FakeConnection> {
    this.attempts.push(attempt)
    const failure = this.script.shift()
    if (failure !== undefined) throw failure
    const connection = new FakeConnection()
    this.connections.push(connection)
    return connection
  }

  wake(): void {
    for (const callback of [...this.sleepers]) callback()
  }

  engine(
    options: RetryOptions = {},
    signal: AbortSignal = new AbortController().signal,
  ): Reconnector<FakeConnection> {
    const resolved: ResolvedRetryOptions = resolveRetryOptions({ backoff: 100, ...options })
    return new Reconnector(this, resolved, signal)
  }
}

/** What a network does. */
export function refused(): Error {
  return Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
}

/** Be a network in memory: attempts give what `script` holds, in order, and real connections after that. */
export class MemoryNetwork {
  readonly clock: FakeClock = new FakeClock()
  readonly sleepers: Set<() => void> = new Set()
  readonly dialled: { readonly url: string | URL; readonly options: ConnectOptions<never> }[] = []
  readonly pairs: ConnectedPair[] = []
  script: unknown[] = []
  /** Options of the server's end. */
  server: NonNullable<PairOptions['server']> = { compression: false }
  readonly surroundings: ClientSurroundings = {
    clock: this.clock,
    wakeUps: {
      subscribe: (callback) => {
        this.sleepers.add(callback)
        return () => this.sleepers.delete(callback)
      },
    },
    probe: (connection, signal) => connection.ping(undefined, { signal }),
  }

  readonly connect: Connect = (async (url: string | URL, options: ConnectOptions<never>) => {
    options.signal?.throwIfAborted()
    this.dialled.push({ url, options })
    const failure = this.script.shift()
    if (failure === 'never') {
      await new Promise((_resolve, reject) => {
        options.signal!.addEventListener('abort', () => reject(options.signal!.reason))
      })
    }
    if (failure !== undefined) throw failure
    const pair = connectedPair({
      clock: this.clock,
      client: options as NonNullable<PairOptions['client']>,
      server: this.server,
    })
    this.pairs.push(pair)
    return pair.client
  }) as unknown as Connect

  /** The newest connection, as both ends see it. */
  get last(): ConnectedPair {
    return this.pairs.at(-1)!
  }
}
