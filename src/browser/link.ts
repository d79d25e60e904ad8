// The inside of a connection in a browser: joins the browser's socket and the consumer, keeps what comes faster than it is
// taken, and sees a closing through to its end.

import type { Consumer } from '../connection/consumer.ts'
import { limitOf, NOTHING_MEASURED } from '../connection/diagnosis.ts'
import type { HandledLink } from '../connection/handler.ts'
import type { Flow } from '../connection/inbox.ts'
import { LIFETIME_OVER, spreadLifetime } from '../connection/lifetime.ts'
import type { LinkState } from '../connection/link.ts'
import { MessageQueue } from '../connection/message-queue.ts'
import { ConnectionClosedError, ProtocolError, WebSocketTimeoutError } from '../errors.ts'
import { CloseCode, type CloseFrame, type CloseInfo } from '../protocol/close-code.ts'
import type { Message } from '../protocol/message.ts'
import { portablePlatform } from '../protocol/platform.ts'
import type { Clock } from '../timing/clock.ts'
import { sendableCode } from './close-code.ts'
import { diagnoseInBrowser } from './diagnosis.ts'
import type { BrowserEnvironment } from './environment.ts'
import type { BrowserOptions } from './options.ts'
import { type BrowserSocket, type CloseEventLike, detach, OPEN } from './socket.ts'
import { BrowserWriter, type BrowserWriterHost } from './writer.ts'

/** What a link is made of. */
export interface BrowserLinkInit {
  /** An open socket. */
  readonly socket: BrowserSocket
  readonly clock: Clock
  readonly options: BrowserOptions
  /** Give what surrounds the connection at its end. */
  readonly environment: () => Pick<BrowserEnvironment, 'isOnline'>
}

// What a message takes besides its content: without it empty ones could fill the memory.
const MESSAGE_OVERHEAD = 64

/** Run one connection. */
export class BrowserLink implements Flow, HandledLink, BrowserWriterHost {
  readonly socket: BrowserSocket
  readonly clock: Clock
  readonly options: BrowserOptions
  readonly writer: BrowserWriter
  /** Nothing that is sent in a browser makes the peer wait: there is no pause. */
  readonly isPausedByUser = false
  readonly #environment: () => Pick<BrowserEnvironment, 'isOnline'>
  #consumer: Consumer | undefined
  #state: LinkState = 'open'
  /** Messages that the consumer did not want yet. A browser cannot have the peer wait. */
  readonly #waiting = new MessageQueue(Number.POSITIVE_INFINITY, 0)
  #waitingBytes = 0
  #isPaused = false
  #isDelivering = false
  /** Somebody takes the next message in pieces, of which there is one. */
  #isInPieces = false
  /** Somebody takes all messages so. */
  #areAllInPieces = false
  /** A message that is too large to be taken whole, and waits for somebody who takes it in pieces. */
  #held: Message | undefined
  /** The socket is closed, but what came before is not taken yet. */
  #pendingEnd: CloseEventLike | undefined
  /** In whole ms, which need no box of their own. */
  #lastMessageAt: number | undefined
  /** Ends the lifetime, and later the closing. */
  #timer: unknown
  #sent: CloseFrame | undefined
  /** The code that ours stands for, where a browser sends another. */
  #meantCode: number | undefined
  #error: Error | undefined
  #wasTerminated = false
  #isLifetimeOver = false
  readonly #openedAt: number
  #info: CloseInfo | undefined
  #closed: { readonly promise: Promise<CloseInfo>; resolve(info: CloseInfo): void } | undefined

  constructor({ socket, clock, options, environment }: BrowserLinkInit) {
    this.socket = socket
    this.clock = clock
    this.options = options
    this.#environment = environment
    this.#openedAt = clock.now()
    this.writer = new BrowserWriter(this)
    detach(socket)
    socket.onmessage = ({ data }) => this.#receive(data)
    socket.onclose = (event) => this.#ended(event)
  }

  /** Begin to deliver. */
  start(consumer: Consumer): void {
    this.#consumer = consumer
    const { maxLifetime } = this.options
    // A handler's `open`, which comes before, may have closed the connection.
    if (this.#state === 'open' && maxLifetime !== Number.POSITIVE_INFINITY) {
      const { code, reason } = LIFETIME_OVER
      this.#timer = this.clock.setTimeout(() => {
        this.#isLifetimeOver = true
        this.close(code, reason)
      }, spreadLifetime(maxLifetime))
    }
    this.#deliver()
  }

  get state(): LinkState {
    // The peer's close frame came; its event comes when the line is closed.
    return this.#state === 'open' && this.socket.readyState !== OPEN ? 'closing' : this.#state
  }

  get isOpen(): boolean {
    return this.state === 'open'
  }

  get wasClosedByUs(): boolean {
    return this.#sent !== undefined || this.#wasTerminated
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

  closedError(): ConnectionClosedError {
    return new ConnectionClosedError(this.#info)
  }

  drained(): void {
    if (this.#state === 'open') this.#consumer?.drain()
  }

  dropSlowConsumer(error: ProtocolError): void {
    this.#fail(error)
    // The close frame waits behind all the rest, which only costs time now.
    this.#finishSoon()
  }

  // --- messages ---

  #receive(data: unknown): void {
    if (this.#state !== 'open') return
    this.#lastMessageAt = Math.trunc(this.clock.now())
    this.writer.check()
    const message: Message = typeof data === 'string' ? data : new Uint8Array(data as ArrayBuffer)
    const { accept, maxBufferedAmount } = this.options
    const kind = typeof message === 'string' ? 'text' : 'binary'
    if (accept !== 'any' && accept !== kind) {
      this.#fail(new ProtocolError('WS_DATA_NOT_ACCEPTED', kind))
      return
    }
    this.#waiting.push(message)
    this.#waitingBytes += weigh(message)
    this.#deliver()
    if (this.#waitingBytes > maxBufferedAmount) {
      this.#fail(new ProtocolError('WS_INBOX_OVERFLOW', `${this.#waitingBytes} bytes`))
    }
  }

  /** Give the consumer what waits, as far as it wants it. */
  #deliver(): void {
    // A consumer that wants more says so while it is given something: this loop goes on with it.
    if (this.#isDelivering || this.#consumer === undefined) return
    this.#isDelivering = true
    while (this.#state === 'open' && !this.#isPaused) {
      const message = this.#held ?? this.#take()
      if (message === undefined || !this.#deliverOne(this.#consumer, message)) break
    }
    this.#isDelivering = false
  }

  #take(): Message | undefined {
    const message = this.#waiting.take()
    if (message !== undefined) this.#waitingBytes -= weigh(message)
    return message
  }

  /** False when the message waits, or was refused. */
  #deliverOne(consumer: Consumer, message: Message): boolean {
    const { maxMessageSize, maxStreamSize } = this.options
    const isInPieces = this.#isInPieces || this.#areAllInPieces
    if (!fits(message, isInPieces ? maxStreamSize : maxMessageSize)) {
      this.#held = message
      if (!isInPieces && fits(message, maxStreamSize) && consumer.takesOversize()) return false
      this.refuseHeld()
      return false
    }
    this.#held = undefined
    this.#isInPieces = false
    if (isInPieces) consumer.piece(message, true)
    else consumer.message(message)
    return true
  }

  // --- flow ---

  pauseParsing(): void {
    this.#isPaused = true
  }

  resumeParsing(): void {
    this.#isPaused = false
    this.#deliver()
  }

  takePieces(): void {
    this.#isInPieces = true
    this.#deliver()
    this.#endPending()
  }

  takeAllInPieces(): void {
    this.#areAllInPieces = true
  }

  dropPieces(): void {
    this.#isInPieces = false
    this.#held = undefined
    this.#deliver()
    this.#endPending()
  }

  refuseHeld(): void {
    const message = this.#held
    if (message === undefined) return
    const { maxMessageSize, maxStreamSize } = this.options
    const isInPieces = this.#isInPieces || this.#areAllInPieces
    const limit = isInPieces ? `maxStreamSize is ${maxStreamSize}` : `maxMessageSize is ${maxMessageSize}`
    this.#fail(new ProtocolError('WS_MESSAGE_TOO_BIG', `${sizeOf(message)} bytes, while ${limit}`))
  }

  // --- closing ---

  /** Begin the closing handshake; a code that browsers do not send goes out as one that they do. */
  close(code: number, reason: string): void {
    if (this.#state !== 'open') return
    this.#beginClosing(() => {
      const sent = { code: sendableCode(code), reason }
      this.writer.finish()
      this.socket.close(sent.code, sent.reason)
      this.#sent = sent
      this.#meantCode = code
    })
  }

  /** Forget the connection. The browser closes it in its own time. */
  terminate(): void {
    if (this.#state === 'closed') return
    this.#wasTerminated ||= this.#sent !== undefined || this.socket.readyState === OPEN
    this.#beginClosing(() => this.socket.close())
    this.#finishSoon()
  }

  #fail(error: ProtocolError): void {
    if (this.#state !== 'open') return
    this.#error = error
    this.close(error.closeCode, error.reason)
  }

  #beginClosing(close: () => void): void {
    if (this.#state !== 'open') return
    // The peer may have begun already; then there is nothing left to say.
    if (this.socket.readyState === OPEN) close()
    else this.writer.finish()
    this.#state = 'closing'
    this.clock.clearTimeout(this.#timer)
    const { closeTimeout } = this.options
    if (closeTimeout !== Number.POSITIVE_INFINITY) {
      this.#timer = this.clock.setTimeout(() => {
        this.#error ??= new WebSocketTimeoutError('close', closeTimeout)
        this.#finish(undefined)
      }, closeTimeout)
    }
    // Messages that still come, or that nobody has taken, are dropped.
    this.#held = undefined
    while (this.#take() !== undefined);
    this.#endPending()
  }

  /** Nobody waits for an answer of the peer. */
  #finishSoon(): void {
    queueMicrotask(() => this.#finish(undefined))
  }

  #ended(event: CloseEventLike): void {
    // What came before the end is still the consumer's, however full it is.
    while (this.#state === 'open' && this.#waiting.length > 0 && this.#held === undefined) {
      this.#isPaused = false
      this.#deliver()
    }
    this.#pendingEnd = event
    this.#endPending()
  }

  /** Tell of the end once nothing is held back any more. */
  #endPending(): void {
    const event = this.#pendingEnd
    if (event === undefined || (this.#state === 'open' && this.#held !== undefined)) return
    if (this.#state === 'open' && this.#waiting.length > 0) {
      this.#ended(event)
      return
    }
    this.#finish(event)
  }

  #finish(event: CloseEventLike | undefined): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    detach(this.socket)
    this.clock.clearTimeout(this.#timer)
    const info = this.#makeInfo(event)
    this.#info = info
    this.writer.closed()
    this.#consumer?.closed(info)
    this.#closed?.resolve(info)
  }

  #makeInfo(event: CloseEventLike | undefined): CloseInfo {
    const received =
      event === undefined || event.code === CloseCode.Abnormal
        ? undefined
        : { code: event.code, reason: event.reason }
    // RFC 6455 section 5.5.1: an endpoint "typically echos the status code it received", and browsers do.
    const isAnswered = this.#sent === undefined && received !== undefined && event!.wasClean
    const sent = isAnswered ? { code: received.code, reason: '' } : this.#sent
    const initiator = this.wasClosedByUs ? 'local' : 'remote'
    const counts = received ?? sent ?? { code: CloseCode.Abnormal, reason: '' }
    const error = this.#error
    const now = this.clock.now()
    return {
      code: this.#sent?.code === counts.code ? this.#meantCode! : counts.code,
      reason: counts.reason,
      received,
      sent,
      initiator,
      clean: received !== undefined && event!.wasClean,
      diagnosis: diagnoseInBrowser({
        received,
        sent,
        initiator,
        error,
        wasTerminated: this.#wasTerminated,
        silence: this.#lastMessageAt === undefined ? undefined : now - this.#lastMessageAt,
        isOnline: this.#environment().isOnline,
      }),
      facts: {
        ...NOTHING_MEASURED,
        openFor: now - this.#openedAt,
        limit: this.#isLifetimeOver ? 'maxLifetime' : limitOf(error),
        systemError: undefined,
        cause: this.#isLifetimeOver ? 'lifetime' : undefined,
      },
      error,
    }
  }
}

function sizeOf(message: Message): number {
  return typeof message === 'string' ? portablePlatform.utf8Length(message) : message.length
}

/** Tell whether a message has at most so many bytes, without counting them where the length says it. */
function fits(message: Message, most: number): boolean {
  if (message.length > most) return false
  return typeof message !== 'string' || message.length * 3 <= most || sizeOf(message) <= most
}

/** Tell about how much memory a message takes while it waits. */
function weigh(message: Message): number {
  return message.length + MESSAGE_OVERHEAD
}
