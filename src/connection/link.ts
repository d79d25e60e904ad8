// The inside of a connection: joins transport and protocol, keeps watch over the peer, and sees a closing
// through to its end. What came goes to the consumer.

import { ConnectionClosedError, ProtocolError, WebSocketTimeoutError } from '../errors.ts'
import type { Engine } from '../kernel/engine.ts'
import { CloseCode, type CloseFrame, type CloseInfo } from '../protocol/close-code.ts'
import type { Message } from '../protocol/message.ts'
import type { Platform } from '../protocol/platform.ts'
import { assertControlPayload, Protocol, type ProtocolHandler, type Role } from '../protocol/protocol.ts'
import type { Clock } from '../timing/clock.ts'
import type { TimerTask, TimerWheel } from '../timing/timer-wheel.ts'
import type { Transport, TransportHandler } from '../transport/transport.ts'
import type { Consumer } from './consumer.ts'
import { explainClose, type MeasuredFacts } from './diagnosis.ts'
import type { AgreedExtensions } from './extensions.ts'
import { Heartbeat, type HeartbeatTarget } from './heartbeat.ts'
import type { Flow } from './inbox.ts'
import { LIFETIME_OVER, saysLifetimeOver, spreadLifetime } from './lifetime.ts'
import { MessageDeadline, type MessageDeadlineTarget } from './message-deadline.ts'
import { MessageWriter, type WriterHost } from './message-writer.ts'
import type { ResolvedConnectionOptions } from './options.ts'
import { PendingPings } from './pending-pings.ts'

/** What a link is made of. */
export interface LinkOptions {
  readonly role: Role
  readonly engine: Engine
  readonly transport: Transport
  readonly wheel: TimerWheel
  readonly options: ResolvedConnectionOptions
  readonly extensions?: AgreedExtensions | undefined
}

/** Name how far the end of a connection has come. */
export type LinkState = 'open' | 'closing' | 'closed'

// Payloads of heartbeats: a name, so that they can be told from a user's, and a number that never repeats.
const HEARTBEAT_PREFIX = 'openline:'

/** Why nothing is parsed: the consumer is full, the user said so, or a client does not read what it is sent. */
const Pause = { Consumer: 1, User: 2, Drain: 4 } as const

// What is told of the time before an end, in ms: a pause of reading that was long, and how long it may be over; and how
// long a standstill of the whole process may.
const LONG_PAUSE = 5000
const PAUSE_MATTERS = 10_000
const STANDSTILL_MATTERS = 60_000

/** Run one connection. */
export class Link
  implements
    TransportHandler,
    ProtocolHandler,
    HeartbeatTarget,
    MessageDeadlineTarget,
    TimerTask,
    Flow,
    WriterHost
{
  readonly transport: Transport
  readonly protocol: Protocol
  readonly options: ResolvedConnectionOptions
  readonly platform: Platform
  readonly writer: MessageWriter
  readonly #wheel: TimerWheel
  #consumer!: Consumer
  #isStarted = false
  #state: LinkState = 'open'
  #heartbeat: Heartbeat | undefined
  #heartbeats = 0
  #pings: PendingPings | undefined
  /** Who wants nothing to be parsed. */
  #pauses = 0
  #isTransportPaused = false
  // Times are whole ms, which need no box of their own.
  #openedAt: number
  #lastByteAt: number | undefined
  #peerPingAt: number | undefined
  /** When reading was paused, or, negative, when a long pause ended; 0 while neither matters. */
  #pausedAt = 0
  #timePaused = 0
  #reads = 0
  #messageDeadline: MessageDeadline | undefined
  /** The peer ended the stream, but what it sent before is not parsed yet. */
  #isEndPending = false
  /** The transport is gone, and why, but what came last is still being decompressed. */
  #pendingEnd: { readonly error: Error | undefined } | undefined
  /** Our close frame waits until all that was sent before it is written. */
  #isCloseWaiting = false
  #error: Error | undefined
  #wasTerminated = false
  #info: CloseInfo | undefined
  #closed: { readonly promise: Promise<CloseInfo>; resolve(info: CloseInfo): void } | undefined
  #onClosed: ((subject: never) => void) | undefined
  #closedSubject: unknown
  due: number | undefined = undefined

  constructor(init: LinkOptions) {
    const { engine, options, transport, wheel } = init
    this.transport = transport
    this.options = options
    this.platform = engine.platform
    this.#wheel = wheel
    this.#openedAt = Math.trunc(wheel.clock.now())
    this.protocol = new Protocol({
      role: init.role,
      kernel: engine.kernel,
      platform: engine.platform,
      maskingKeys: engine.maskingKeys,
      limits: options.limits,
      accept: options.accept,
      compression: init.extensions?.compression,
      extensions: init.extensions?.extensions ?? [],
      output: transport,
      handler: this,
    })
    this.writer = new MessageWriter(this)
  }

  /** Begin to read, and to watch over the peer. */
  start(consumer: Consumer): void {
    this.#consumer = consumer
    this.#isStarted = true
    const { pingInterval, maxLifetime } = this.options
    // A handler's `open`, which comes before, may have closed the connection.
    if (this.#state === 'open') {
      if (pingInterval !== Number.POSITIVE_INFINITY) {
        this.#heartbeat = new Heartbeat(this.#wheel, this)
      }
      // The same timer is for the closing later.
      if (maxLifetime !== Number.POSITIVE_INFINITY) this.#wheel.schedule(this, spreadLifetime(maxLifetime))
    }
    this.transport.start(this)
  }

  get clock(): Clock {
    return this.#wheel.clock
  }

  get state(): LinkState {
    return this.#state
  }

  /** The latency of the ping that was answered last, in ms. */
  get latency(): number | undefined {
    return this.#pings?.latency
  }

  /** The latency of all pings that were answered, smoothed, in ms. */
  get smoothedLatency(): number | undefined {
    return this.#pings?.smoothedLatency
  }

  /** How the connection ended; `undefined` before. */
  get info(): CloseInfo | undefined {
    return this.#info
  }

  /** A promise of how the connection ends. It is made when first asked for. */
  get closed(): Promise<CloseInfo> {
    if (this.#closed === undefined) {
      let resolve!: (info: CloseInfo) => void
      const promise = new Promise<CloseInfo>((settle) => {
        resolve = settle
      })
      this.#closed = { promise, resolve }
      if (this.#info !== undefined) resolve(this.#info)
    }
    return this.#closed.promise
  }

  /** Have a function called with `subject` when the connection is closed, after the consumer heard of it. */
  onceClosed<Subject>(callback: (subject: Subject) => void, subject: Subject): void {
    this.#onClosed = callback
    this.#closedSubject = subject
  }

  // --- sending ---

  get isOpen(): boolean {
    return this.#state === 'open'
  }

  aboveMark(): void {
    // What callbacks answer grows with what they are sent: a client that does not read has to wait.
    // Only a handler's `open` can send before the start.
    const isCallback = !this.#isStarted || !this.#consumer.isAsync
    if (isCallback && this.protocol.role === 'server') this.#pauseUntilDrain()
  }

  #pauseUntilDrain(): void {
    if (this.#state !== 'open') return
    this.#pauses |= Pause.Drain
    this.protocol.pause()
    afterMicrotasks(() => this.#settleTransport())
  }

  dropSlowConsumer(error: ProtocolError): void {
    this.fail(error.closeCode, error, error.reason)
    // The close frame waits behind all the rest, which only costs memory now.
    this.transport.destroy()
  }

  breakOff(error: unknown): void {
    this.fail(CloseCode.InternalError, error instanceof Error ? error : new Error(String(error)), '')
  }

  closedError(): ConnectionClosedError {
    return new ConnectionClosedError(this.#info)
  }

  /** Send a ping and resolve to its latency in ms. */
  ping(payload: Uint8Array, signal: AbortSignal | undefined): Promise<number> {
    assertControlPayload(payload, 'ping')
    if (this.#state !== 'open') return this.writer.refuse()
    this.#pings ??= new PendingPings()
    const promise = this.#pings.wait(payload, this.clock.now(), signal, () => {
      this.protocol.sendPing(payload)
    })
    promise.catch(ignore)
    return promise
  }

  // --- flow ---

  pauseParsing(): void {
    if ((this.#pauses & Pause.Consumer) !== 0 || this.#state === 'closed') return
    this.#pauses |= Pause.Consumer
    this.protocol.pause()
    // A consumer that catches up before this turn ends costs no system call.
    afterMicrotasks(() => this.#settleTransport())
  }

  resumeParsing(): void {
    this.#pauses &= ~Pause.Consumer
    this.#resumeProtocol()
    // When that made the consumer full again, the pause is settled at the end of the turn.
    if (!this.isReadingPaused) this.#settleTransport()
  }

  takePieces(): void {
    this.protocol.takePieces()
  }

  takeAllInPieces(): void {
    this.protocol.takeAllInPieces()
  }

  dropPieces(): void {
    this.protocol.dropPieces()
  }

  refuseHeld(): void {
    this.protocol.refuseHeld()
  }

  /** Stop reading until `resumeByUser`. */
  pauseByUser(): void {
    if (this.#state !== 'open') return
    this.#pauses |= Pause.User
    this.protocol.pause()
    this.#settleTransport()
  }

  resumeByUser(): void {
    this.#pauses &= ~Pause.User
    if (this.#isStarted) this.#consumer.resumed()
    this.#resumeProtocol()
    this.#settleTransport()
  }

  #resumeProtocol(): void {
    if (this.#pauses !== 0) return
    this.protocol.resume()
    if (!this.#isEndPending) return
    if (!this.protocol.hasBacklog) this.#endTransport()
    // Another connection is being parsed; ours comes after it, in this turn.
    else if (!this.isReadingPaused) afterMicrotasks(() => this.#resumeProtocol())
  }

  onBehind(): void {
    afterMicrotasks(() => this.#settleTransport())
  }

  onCaughtUp(): void {
    this.#settleTransport()
    if (this.#pendingEnd === undefined) this.#resumeProtocol()
    else this.#endPending()
  }

  #endPending(): void {
    const pending = this.#pendingEnd
    this.#pendingEnd = undefined
    if (pending !== undefined) this.onClosed(pending.error)
  }

  #settleTransport(): void {
    const shouldPause = this.isReadingPaused
    if (shouldPause === this.#isTransportPaused || this.#state === 'closed') return
    this.#isTransportPaused = shouldPause
    const now = Math.trunc(this.clock.now())
    if (shouldPause) {
      this.#pausedAt = now + 1
      this.transport.pause()
      return
    }
    const pause = now + 1 - this.#pausedAt
    this.#timePaused += pause
    this.#pausedAt = pause >= LONG_PAUSE ? -now : 0
    this.transport.resume()
  }

  /** True between `pause()` and `resume()` of the user. */
  get isPausedByUser(): boolean {
    return (this.#pauses & Pause.User) !== 0
  }

  /** True when our own close, failure or `terminate()` came before the peer's. */
  get wasClosedByUs(): boolean {
    return this.protocol.beganBy === 'local' || this.#wasTerminated || this.#isCloseWaiting
  }

  get isReadingPaused(): boolean {
    return this.#pauses !== 0 || this.protocol.isBehind
  }

  get isPausedForDrain(): boolean {
    return this.#pauses === Pause.Drain && !this.protocol.isBehind
  }

  // --- closing ---

  /** Begin the closing handshake. Throw a RangeError for a code or reason that must not be sent. */
  close(code: number, reason: string): void {
    if (this.#state !== 'open') return
    if (this.writer.isBusy) {
      this.protocol.assertClose(code, reason)
      this.#isCloseWaiting = this.protocol.beganBy === undefined
    }
    this.writer.finish(() => {
      this.protocol.sendClose(code, reason)
      // An extension threw meanwhile.
      if (this.protocol.state === 'failed') this.#endTransport()
    })
    this.#beginClosing()
  }

  /** Drop the connection without a closing handshake. */
  terminate(): void {
    if (this.#state === 'closed') return
    this.#wasTerminated ||= this.protocol.state === 'open' || this.protocol.state === 'close-sent'
    this.protocol.abandon()
    this.#beginClosing()
    this.transport.destroy()
  }

  /** Fail the connection (RFC 6455 section 7.1.7). */
  fail(code: number, error: Error, reason: string): void {
    if (this.#state === 'closed') return
    this.#error ??= error
    this.protocol.fail(code, reason)
    this.#endTransport()
  }

  #beginClosing(): void {
    if (this.#state !== 'open') return
    this.#state = 'closing'
    this.#heartbeat?.stop()
    this.#stopMessageDeadline()
    this.#wheel.schedule(this, this.options.closeTimeout)
    this.transport.flush()
    // Messages that still come are dropped (RFC 6455 section 1.4), so that the peer's close frame can be reached.
    this.#pauses = 0
    if (this.protocol.isBehind) {
      // A message that waits to be taken in pieces is one of those.
      this.protocol.takePieces()
      this.protocol.dropPieces()
    }
    this.#resumeProtocol()
    this.#settleTransport()
    // Nobody waits for the rest any more.
    if (this.#pendingEnd !== undefined) afterMicrotasks(() => this.#endPending())
  }

  /** Nothing more is to be said: end our half, and drop the rest after a deadline. */
  #endTransport(): void {
    this.#beginClosing()
    this.transport.end()
  }

  /** The lifetime is over, or the closing took too long. */
  onTimer(): void {
    if (this.#state === 'open') {
      this.close(LIFETIME_OVER.code, LIFETIME_OVER.reason)
      return
    }
    this.#error ??= new WebSocketTimeoutError('close', this.options.closeTimeout)
    this.transport.destroy()
  }

  // --- what the transport reports ---

  onRead(length: number): void {
    this.#reads++
    this.#lastByteAt = Math.trunc(this.clock.now())
    this.protocol.receiveRead(length)
    this.#watchMessage()
  }

  onData(bytes: Uint8Array): void {
    this.#reads++
    this.#lastByteAt = Math.trunc(this.clock.now())
    this.protocol.receiveData(bytes)
    this.#watchMessage()
  }

  onEnd(): void {
    if (this.writer.isBusy) {
      this.writer.finish(() => this.onEnd())
      return
    }
    this.protocol.proceed()
    if (this.protocol.hasBacklog) this.#isEndPending = true
    else this.#endTransport()
  }

  onDrain(): void {
    this.protocol.outputDrained()
    if (!this.writer.drained()) return
    if ((this.#pauses & Pause.Drain) !== 0) {
      this.#pauses &= ~Pause.Drain
      this.#resumeProtocol()
      this.#settleTransport()
    }
    if (this.#state === 'open') this.#consumer.drain()
  }

  onClosed(error: Error | undefined): void {
    this.#deliverBacklog()
    if (this.#state === 'open' && this.protocol.isDecoding) {
      this.#pendingEnd = { error }
      return
    }
    this.protocol.proceed()
    this.#error ??= error
    this.#beginClosing()
    this.#state = 'closed'
    this.#wheel.cancel(this)
    this.protocol.release()
    const info = this.#makeInfo()
    this.#info = info
    this.writer.closed()
    if ((this.#pings?.size ?? 0) > 0) this.#pings!.rejectAll(this.closedError())
    this.#consumer.closed(info)
    this.#closed?.resolve(info)
    this.#onClosed?.(this.#closedSubject as never)
  }

  /** What came before the end is still the consumer's, however full it is. */
  #deliverBacklog(): void {
    while (this.#state === 'open' && this.#pauses !== 0 && this.protocol.hasBacklog) {
      this.#pauses = 0
      this.protocol.resume()
    }
  }

  // --- what the protocol reports ---

  onMessage(message: Message): void {
    if (this.#messageDeadline !== undefined) this.#stopMessageDeadline()
    if (this.#state === 'open') this.#consumer.message(message)
  }

  onPiece(piece: Message, isEnd: boolean): void {
    if (this.#messageDeadline !== undefined) this.#stopMessageDeadline()
    if (this.#state === 'open') this.#consumer.piece(piece, isEnd)
  }

  onOversize(): boolean {
    return this.#state === 'open' && this.#consumer.takesOversize()
  }

  onPing(payload: Uint8Array): void {
    this.#peerPingAt = this.#lastByteAt
    if (this.#state === 'open') this.#consumer.ping(payload)
  }

  onPong(payload: Uint8Array): void {
    this.#pings?.acknowledge(payload, this.clock.now())
    if (this.#state === 'open') this.#consumer.pong(payload)
  }

  onClose(): void {
    // RFC 6455 section 7.1.1: "the server MUST close the connection immediately", and "a client SHOULD wait for the
    // server to close the connection".
    if (this.protocol.role === 'server') this.#endTransport()
    else this.#beginClosing()
    this.#readToTheEnd()
  }

  // A coroutine that was just given messages answers them in microtasks: let it, before the line closes; and what
  // waits its turn was sent before.
  isAnswering(): boolean {
    if (this.#consumer.isAsync) afterMicrotasks(() => this.#proceedWhenWritten())
    else if (this.writer.isBusy) this.#proceedWhenWritten()
    else return false
    return true
  }

  // Whoever waited for an answer to go out may give others then: as many as there can be messages in an inbox.
  #proceedWhenWritten(rounds = this.options.receiveHighWaterMark): void {
    if (rounds === 0 || !this.writer.isBusy) this.writer.finish(() => this.protocol.proceed())
    else this.writer.finish(() => afterMicrotasks(() => this.#proceedWhenWritten(rounds - 1)))
  }

  onFailure(error: ProtocolError): void {
    this.#error ??= error
    this.#endTransport()
    this.#readToTheEnd()
  }

  // What was being decompressed before may have stopped the reading, and the end of the stream is still to come.
  #readToTheEnd(): void {
    this.#resumeProtocol()
    this.#settleTransport()
  }

  // --- the heartbeat ---

  get activity(): number {
    return this.#reads
  }

  get timePaused(): number {
    return this.#timePaused
  }

  get isBackedUp(): boolean {
    return this.transport.bufferedAmount > 0
  }

  get taken(): number {
    return this.transport.taken
  }

  sendHeartbeat(): void {
    this.#pings ??= new PendingPings()
    const payload = new TextEncoder().encode(`${HEARTBEAT_PREFIX}${++this.#heartbeats}`)
    this.#pings.add(payload, this.clock.now(), undefined)
    this.protocol.sendPing(payload)
    this.transport.flush()
  }

  heartbeatFailed(): void {
    const error = new WebSocketTimeoutError('ping', this.options.pingTimeout)
    this.fail(CloseCode.InternalError, error, 'heartbeat timeout')
  }

  // --- messages that do not end ---

  #watchMessage(): void {
    const { messageTimeout } = this.options
    if (messageTimeout === Number.POSITIVE_INFINITY || !this.protocol.isReceivingMessage) return
    if (this.#messageDeadline !== undefined || this.#state !== 'open') return
    this.#messageDeadline = new MessageDeadline(this.#wheel, messageTimeout, this)
  }

  #stopMessageDeadline(): void {
    this.#messageDeadline?.stop()
    this.#messageDeadline = undefined
  }

  messageTimedOut(): void {
    const error = new ProtocolError('WS_MESSAGE_TIMEOUT', `${this.options.messageTimeout} ms`)
    this.fail(error.closeCode, error, error.reason)
  }

  #makeInfo(): CloseInfo {
    const { received, sent, beganBy } = this.protocol
    const initiator = beganBy ?? (this.#wasTerminated ? 'local' : 'remote')
    const counts: CloseFrame = received ?? sent ?? { code: CloseCode.Abnormal, reason: '' }
    return {
      code: counts.code,
      reason: counts.reason,
      received,
      sent,
      initiator,
      clean: received !== undefined && sent !== undefined,
      error: this.#error,
      ...explainClose({
        role: this.protocol.role,
        received,
        sent,
        initiator,
        error: this.#error,
        wasTerminated: this.#wasTerminated,
        isLifetimeOver:
          initiator === 'local' &&
          this.options.maxLifetime !== Number.POSITIVE_INFINITY &&
          saysLifetimeOver(sent),
        measured: this.#measure(),
      }),
    }
  }

  #measure(): MeasuredFacts {
    const now = Math.trunc(this.clock.now())
    const since = (time: number | undefined): number | undefined =>
      time === undefined ? undefined : Math.max(now - time, 0)
    const openFor = now - this.#openedAt
    const { flushedAt, unsent } = this.transport
    const standstill = this.#wheel.lastStandstill
    const sinceStandstill = since(standstill?.endedAt) ?? Number.POSITIVE_INFINITY
    const hasStoodStill = sinceStandstill <= Math.min(STANDSTILL_MATTERS, openFor)
    const pausedAt = this.#pausedAt
    return {
      openFor,
      sinceReceived: since(this.#lastByteAt),
      sinceSent: since(flushedAt),
      sincePing: since(this.#pings?.sentAt),
      sincePong: since(this.#pings?.answeredAt),
      sincePeerPing: since(this.#peerPingAt),
      latency: this.latency,
      smoothedLatency: this.smoothedLatency,
      unsent: unsent + this.writer.queuedBytes,
      wasReadingPaused:
        pausedAt > 0 ? now + 1 - pausedAt >= LONG_PAUSE : pausedAt < 0 && now + pausedAt <= PAUSE_MATTERS,
      stoodStill: hasStoodStill ? Math.round(standstill!.duration) : undefined,
    }
  }
}

function afterMicrotasks(callback: () => void): void {
  queueMicrotask(() => process.nextTick(callback))
}

function ignore(): void {}
