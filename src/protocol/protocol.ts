// One end of a WebSocket after its handshake, without any I/O: bytes come in, facts go to a handler, bytes go
// to an output. It never throws for what a peer sent, and it reports nothing after it failed.

import { ProtocolError } from '../errors.ts'
import { CloseCode, type CloseFrame, isValidCloseCode } from './close-code.ts'
import type { Compression } from './compression.ts'
import { type Extension, ExtensionPipeline, ReservedBit } from './extension.ts'
import { FrameParser, type ParserSink, PauseReason } from './frame-parser.ts'
import { FIN, FrameSerializer } from './frame-serializer.ts'
import { createJavaScriptKernel, type Kernel } from './kernel.ts'
import { defaultLimits, type Limits, MAX_CLOSE_REASON, MAX_CONTROL_PAYLOAD } from './limits.ts'
import { createMaskingKeySource, type MaskingKeySource } from './masking.ts'
import { decodeMessage, type Message } from './message.ts'
import { type AcceptedMessages, type FrameSink, refusedOpcode } from './message-assembler.ts'
import type { MessageSink } from './message-collector.ts'
import type { DecoderSink } from './message-decoder.ts'
import {
  type DataOpcode,
  type EncoderSink,
  type Fragment,
  firstByte,
  MessageEncoder,
} from './message-encoder.ts'
import { Opcode } from './opcode.ts'
import type { Output } from './output.ts'
import { type Platform, portablePlatform } from './platform.ts'
import type { PreparedMessage } from './prepared-message.ts'
import { Reassembly } from './reassembly.ts'
import { type ProtocolState, type ProtocolTransition, transitions } from './transitions.ts'

/** Name the end of the connection that we are: clients mask, servers do not. */
export type Role = 'client' | 'server'

/** Be told what came. Calls are made while bytes are parsed, so a handler must not throw. */
export interface ProtocolHandler {
  onMessage(message: Message): void
  /** A piece of a message came, after `takePieces`; the last one may be empty. */
  onPiece?(piece: Message, isEnd: boolean): void
  /**
   * A message is above `maxMessageSize`, but not above `maxStreamSize`. Answer true to have it wait until `takePieces`
   * or `refuseHeld` is called; otherwise it is refused.
   */
  onOversize?(): boolean
  /**
   * Nothing more is parsed until `onCaughtUp`: a message is being decompressed, or waits. Bytes that come are kept, so
   * that no more should be read.
   */
  onBehind?(): void
  onCaughtUp?(): void
  /** A ping came; it was answered already, or will be as soon as the peer takes it. */
  onPing?(payload: Uint8Array): void
  onPong?(payload: Uint8Array): void
  /** The peer's close frame came; `state` says whether that ended the closing handshake. */
  onClose(frame: CloseFrame): void
  /** The peer broke the protocol or met a limit; a close frame says so, and nothing more is read. */
  onFailure(error: ProtocolError): void
  /**
   * Answer true to have a close frame or a violation dealt with only when `proceed` is called: messages that came
   * just before it are still being worked on, and may be answered first. Nothing more is parsed meanwhile.
   */
  isAnswering?(): boolean
}

/** Make up a protocol. */
export interface ProtocolOptions {
  readonly role: Role
  readonly output: Output
  readonly handler: ProtocolHandler
  /**
   * What is taken from the peer.
   * @default messages of 1 MiB as a server and 16 MiB as a client, of 131,072 fragments
   */
  readonly limits?: Limits
  /**
   * The kinds of messages that are taken.
   * @default 'any'
   */
  readonly accept?: AcceptedMessages
  /** What compresses messages, if both ends agreed on that. It owns RSV1. */
  readonly compression?: Compression | undefined
  /** The other extensions that both ends agreed on, in order. They see messages compressed. */
  readonly extensions?: readonly Extension[]
  /**
   * The memory to parse in, which protocols may share.
   * @default one in JavaScript of 64 KiB, shared by all that name none
   */
  readonly kernel?: Kernel
  /**
   * Text, memory and randomness.
   * @default what every JavaScript runtime has
   */
  readonly platform?: Platform
  /**
   * Where a client's masking keys come from.
   * @default the platform's randomness
   */
  readonly maskingKeys?: MaskingKeySource
}

const EMPTY = new Uint8Array(0)
const DEFAULT_READ_SIZE = 64 * 1024
let defaultKernel: Kernel | undefined

/** Speak RFC 6455, one end of it. */
export class Protocol implements ParserSink, MessageSink, DecoderSink, EncoderSink {
  readonly role: Role
  readonly #platform: Platform
  readonly #output: Output
  readonly #handler: ProtocolHandler
  readonly #compression: Compression | undefined
  readonly #extensions: ExtensionPipeline | undefined
  readonly #limits: Limits
  readonly #refused: number
  readonly #parser: FrameParser
  /** Absent, where there are no extensions, until something comes that is not a whole message as it is. */
  #reassembly: Reassembly | undefined
  readonly #serializer: FrameSerializer
  /** Absent when messages travel as they are. */
  readonly #encoder: MessageEncoder | undefined
  #state: ProtocolState = 'open'
  #received: CloseFrame | undefined
  #sent: CloseFrame | undefined
  #beganBy: 'local' | 'remote' | undefined
  /** The ping to answer once the peer takes data again. */
  #owedPong: Uint8Array | undefined
  /** Nothing more is taken from the peer. */
  #isDiscarding = false
  /** The close frame or violation that waits for `proceed`. */
  #ending: CloseFrame | ProtocolError | undefined

  constructor(options: ProtocolOptions) {
    const { role, output, handler, platform = portablePlatform, limits = defaultLimits(role) } = options
    const kernel = options.kernel ?? getDefaultKernel()
    this.role = role
    this.#platform = platform
    this.#output = output
    this.#handler = handler
    const { compression, extensions: list = [] } = options
    const own = compression === undefined ? 0 : ReservedBit.Rsv1
    const extensions = list.length === 0 ? undefined : new ExtensionPipeline(list, own)
    this.#compression = compression
    this.#extensions = extensions
    this.#limits = limits
    this.#refused = refusedOpcode(options.accept ?? 'any')
    this.#parser = new FrameParser({
      kernel,
      platform,
      peerMasks: role === 'server',
      allowedReservedBits: own | (extensions?.reservedBits ?? 0),
      sink: this,
    })
    const maskingKeys =
      role === 'client' ? (options.maskingKeys ?? createMaskingKeySource(platform)) : undefined
    const serializer = new FrameSerializer(output, platform, maskingKeys)
    this.#serializer = serializer
    if (compression !== undefined || extensions !== undefined) {
      this.#encoder = new MessageEncoder({
        platform,
        output,
        serializer,
        compression,
        extensions,
        sink: this,
      })
    }
    // Extensions may want to see all that comes.
    if (extensions !== undefined) this.#reassemble()
  }

  get state(): ProtocolState {
    return this.#state
  }

  /** The peer's close frame. */
  get received(): CloseFrame | undefined {
    return this.#received
  }

  /** Our close frame. */
  get sent(): CloseFrame | undefined {
    return this.#sent
  }

  /** The end whose close frame or failure came first; `undefined` while neither did. */
  get beganBy(): 'local' | 'remote' | undefined {
    return this.#beganBy
  }

  /** True while a message has begun to come, has not ended, and nobody takes it in pieces. */
  get isReceivingMessage(): boolean {
    return this.#reassembly?.assembler.isCollecting === true
  }

  /** True while something waits that was received but not parsed, or parsed but not decoded or taken. */
  get hasBacklog(): boolean {
    return this.#parser.hasBacklog || this.isBehind
  }

  /** True while a message is being decompressed. */
  get isDecoding(): boolean {
    return this.#reassembly?.decoder?.isBehind === true && !this.#isDiscarding
  }

  /** True while nothing is parsed because a message is being decompressed, or waits to be taken in pieces. */
  get isBehind(): boolean {
    return this.isDecoding || this.#isHolding
  }

  get #isHolding(): boolean {
    return this.#reassembly?.collector.isHeld === true && !this.#isDiscarding
  }

  // --- in ---

  /** Take `length` bytes that were read to the kernel's `readStart`. */
  receiveRead(length: number): void {
    this.#parser.parseRead(length)
  }

  /** Take bytes that lie anywhere; they are copied as far as they are needed. */
  receiveData(bytes: Uint8Array): void {
    this.#parser.parseBytes(bytes)
  }

  /** Stop reporting; what comes is kept. A whole message that is being decompressed is still finished. */
  pause(): void {
    this.#parser.pause(PauseReason.Asked)
    this.#reassembly?.decoder?.pause()
  }

  /** Report again. */
  resume(): void {
    this.#reassembly?.decoder?.resume()
    this.#parser.resume(PauseReason.Asked)
    // Last: what is decoded now may ask for the next pause.
    this.#reassembly?.decoder?.proceed()
  }

  /** Have the message that is coming delivered in pieces, from its beginning; or the next, if none is or it is dropped. */
  takePieces(): void {
    if (this.#isDiscarding) return
    this.#reassemble().collector.takePieces()
    this.#goOn()
  }

  /** Have all messages delivered in pieces, beginning with the next. */
  takeAllInPieces(): void {
    this.#reassemble().collector.takeAllInPieces()
  }

  /**
   * Forget the rest of the message that is delivered in pieces, or for which `onOversize` was answered with true. The
   * next is delivered whole again.
   */
  dropPieces(): void {
    this.#reassembly?.collector.dropPieces()
    this.#goOn()
  }

  /** Refuse the message for which `onOversize` was answered with true, if it still waits. */
  refuseHeld(): void {
    this.#reassembly?.collector.refuseHeld()
  }

  #goOn(): void {
    if (this.isBehind) this.#reassembly?.decoder?.proceed()
    else this.onCaughtUp()
  }

  /** True while a close frame or a violation is put off until `proceed`. */
  get isEnding(): boolean {
    return this.#ending !== undefined
  }

  /** Deal with the close frame or violation that was put off, if there is one. */
  proceed(): void {
    const ending = this.#ending
    if (ending === undefined) return
    this.#ending = undefined
    if (ending instanceof ProtocolError) {
      this.fail(ending.closeCode, ending.reason)
      this.#handler.onFailure(ending)
      return
    }
    this.#received = ending
    this.#move('receive-close')
    // RFC 6455 section 5.5.1: "the endpoint MUST send a Close frame in response", and "typically echos the status
    // code it received".
    if (this.#state === 'close-received') this.sendClose(ending.code)
    this.#handler.onClose(ending)
  }

  // --- out ---

  /** Tell whether a message of this size takes so long to compress that `sendLater` is better. */
  isLong(size: number): boolean {
    return this.#encoder?.isLong(size) === true
  }

  /**
   * Write a text message, compressed if that was agreed, is worthwhile and `isCompressible`. Nothing is written unless
   * the state is `open`. Throw what an extension throws.
   */
  sendText(text: string, isCompressible = true): void {
    if (this.#state !== 'open') return
    if (this.#encoder === undefined) this.#serializer.writeText(FIN | Opcode.Text, text)
    else this.#encoder.writeText(text, isCompressible)
  }

  /** Write a message of bytes as `sendText` does: binary unless they are said to be the UTF-8 of a text. */
  sendBytes(bytes: Uint8Array, opcode: DataOpcode = Opcode.Binary, isCompressible = true): void {
    if (this.#state !== 'open') return
    if (this.#encoder === undefined) this.#serializer.writeBytes(FIN | opcode, bytes)
    else this.#encoder.writeBytes(bytes, opcode, isCompressible)
  }

  /**
   * Compress a message of bytes elsewhere, for which `isLong` was true, write it and call `done`, or `failed` with what
   * an extension throws. Nothing else may be sent before, but control frames.
   */
  sendLater(
    bytes: Uint8Array,
    opcode: DataOpcode,
    done: () => void,
    failed: (error: unknown) => void = rethrow,
  ): void {
    this.#encoder!.prepareLater(bytes, opcode, (write) => this.#writeLater(write, done, failed))
  }

  /**
   * Write a fragment of a message and call `done`, now or later, or `failed` with what an extension throws. No other
   * message may be sent between the first fragment and the last.
   */
  sendFragment(
    bytes: Uint8Array,
    fragment: Fragment,
    done: () => void,
    failed: (error: unknown) => void = rethrow,
  ): void {
    const ready = (write: () => void): void => this.#writeLater(write, done, failed)
    if (this.#encoder === undefined) ready(() => this.#serializer.writeBytes(firstByte(fragment), bytes))
    else this.#encoder.prepareFragment(bytes, fragment, ready)
  }

  /** Write what is ready only now. What this throws would reach nobody who sent something. */
  #writeLater(write: () => void, done: () => void, failed: (error: unknown) => void): void {
    try {
      if (this.#state === 'open') write()
    } catch (error) {
      failed(error)
      return
    }
    done()
  }

  /** Write a message that goes to other peers too. */
  sendPrepared(message: PreparedMessage): void {
    if (this.#state !== 'open') return
    // Only unmasked frames look the same for all, and only where no extension of this connection's own changes them.
    const canShare = this.role === 'server' && this.#output.appendShared !== undefined
    const frame = canShare
      ? this.#encoder === undefined
        ? message.frame
        : this.#encoder.shareFrame(message)
      : undefined
    if (frame === undefined) this.sendBytes(message.payload, message.opcode, message.isCompressible)
    else this.#output.appendShared!(frame)
  }

  /** Write a ping. Throw a RangeError above 125 bytes (RFC 6455 section 5.5). */
  sendPing(payload: Uint8Array = EMPTY): void {
    assertControlPayload(payload, 'ping')
    if (this.#state === 'open') this.#serializer.writeBytes(FIN | Opcode.Ping, payload)
  }

  /** Write a pong that nobody asked for (RFC 6455 section 5.5.3). Throw a RangeError above 125 bytes. */
  sendPong(payload: Uint8Array = EMPTY): void {
    assertControlPayload(payload, 'pong')
    if (this.#state === 'open') this.#serializer.writeBytes(FIN | Opcode.Pong, payload)
  }

  /**
   * Write a close frame: begin the closing handshake, or answer the peer's. Code 1005 writes an empty one.
   * Throw a RangeError for a code that must not be sent or a reason above 123 bytes. Nothing is written twice.
   */
  sendClose(code: number = CloseCode.Normal, reason = ''): void {
    const payload = this.#closePayload(code, reason)
    if (this.#move('send-close')) this.#writeClose(code, reason, payload)
  }

  /** Throw a RangeError for a code or reason that `sendClose` would not take. */
  assertClose(code: number, reason: string): void {
    this.#closePayload(code, reason)
  }

  /**
   * Fail the connection (RFC 6455 section 7.1.7): say why in a close frame if one may still be sent, and ignore
   * whatever comes. Throw a RangeError as `sendClose` does.
   */
  fail(code: number, reason: string): void {
    const payload = this.#closePayload(code, reason)
    const canClose = this.#state === 'open' || this.#state === 'close-received'
    this.#discard()
    this.#ending = undefined
    if (this.#move('fail') && canClose) this.#writeClose(code, reason, payload)
  }

  /** Report and send nothing more: the transport is gone, or about to go. */
  abandon(): void {
    this.#discard()
    this.#ending = undefined
    this.#move('fail')
  }

  /** Give back what compression and extensions hold: the connection is over. */
  release(): void {
    this.#discard()
    this.#compression?.close()
    this.#extensions?.close()
  }

  /** Say that the peer takes data again: what was held back goes out. */
  outputDrained(): void {
    if (this.#owedPong === undefined) return
    const payload = this.#owedPong
    this.#owedPong = undefined
    this.sendPong(payload)
  }

  // --- the stations of the way in, and what they report ---

  /** Takes what is not a whole message as it is. */
  get frames(): FrameSink {
    return this.#reassemble().entry
  }

  #reassemble(): Reassembly {
    this.#reassembly ??= new Reassembly({
      platform: this.#platform,
      limits: this.#limits,
      refused: this.#refused,
      compression: this.#compression,
      extensions: this.#extensions,
      sink: this,
    })
    return this.#reassembly
  }

  takesWhole(opcode: number, length: number): boolean {
    const reassembly = this.#reassembly
    if (reassembly !== undefined) return reassembly.entry.takesWhole(opcode, length)
    return opcode !== this.#refused && length <= this.#limits.maxMessageSize
  }

  onWhole(opcode: number, memory: Uint8Array, start: number, end: number, ascii: boolean): void {
    const message = decodeMessage(this.#platform, opcode === Opcode.Text, memory, start, end, ascii)
    if (message === undefined) this.onViolation(new ProtocolError('WS_BAD_UTF8'))
    else this.#handler.onMessage(message)
  }

  onMessage(message: Message): void {
    this.#handler.onMessage(message)
  }

  onPiece(piece: Message, isEnd: boolean): void {
    this.#handler.onPiece?.(piece, isEnd)
  }

  onOversize(): boolean {
    if (this.#handler.onOversize?.() !== true) return false
    // It may have been taken, dropped or refused already.
    if (this.#isHolding) this.onBehind()
    return true
  }

  onBehind(): void {
    this.#parser.pause(PauseReason.Behind)
    this.#handler.onBehind?.()
  }

  onCaughtUp(): void {
    if (this.isBehind || !this.#parser.resume(PauseReason.Behind)) return
    // What was parsed now can have ended all, or be behind again.
    if (!this.isBehind && !this.#isDiscarding) this.#handler.onCaughtUp?.()
  }

  onControl(opcode: number, payload: Uint8Array): void {
    if (opcode === Opcode.Ping) this.#receivePing(payload)
    else if (opcode === Opcode.Pong) this.#handler.onPong?.(payload)
    else this.#receiveClose(payload)
  }

  onViolation(error: ProtocolError): void {
    this.#end(error)
  }

  onEncodingFailed(): void {
    this.fail(CloseCode.InternalError, '')
  }

  // RFC 6455 section 5.5.3: an endpoint that got several pings "MAY elect to send a Pong frame for only the most
  // recently processed Ping frame". So a flood of pings from a peer that reads nothing costs one payload.
  #receivePing(payload: Uint8Array): void {
    this.#owedPong = payload
    if (!this.#output.isBackedUp) this.outputDrained()
    this.#handler.onPing?.(payload)
  }

  #receiveClose(payload: Uint8Array): void {
    this.#end(this.#parseClose(payload))
  }

  /** Nothing more will be parsed. */
  #end(ending: CloseFrame | ProtocolError): void {
    if (this.#isDiscarding) return
    this.#discard()
    this.#beganBy ??= ending instanceof ProtocolError ? 'local' : 'remote'
    this.#ending = ending
    if (this.#handler.isAnswering?.() !== true) this.proceed()
  }

  #parseClose(payload: Uint8Array): CloseFrame | ProtocolError {
    if (payload.length === 0) return { code: CloseCode.NoCode, reason: '' }
    if (payload.length === 1) return new ProtocolError('WS_BAD_CLOSE_PAYLOAD')
    const code = (payload[0]! << 8) | payload[1]!
    if (!isValidCloseCode(code)) return new ProtocolError('WS_BAD_CLOSE_CODE', String(code))
    const reason = this.#platform.decodeUtf8(payload, 2, payload.length)
    if (reason === undefined) return new ProtocolError('WS_BAD_UTF8', 'in a close reason')
    return { code, reason }
  }

  #closePayload(code: number, reason: string): Uint8Array {
    if (code === CloseCode.NoCode && reason === '') return EMPTY
    if (!Number.isInteger(code) || !isValidCloseCode(code)) {
      throw new RangeError(`close code ${code} must not be sent: use 1000-1003, 1007-1014 or 3000-4999`)
    }
    const size = this.#platform.utf8Length(reason)
    if (size > MAX_CLOSE_REASON) {
      throw new RangeError(`the close reason takes ${size} bytes of UTF-8, and may take ${MAX_CLOSE_REASON}`)
    }
    const payload = this.#platform.allocate(2 + size)
    payload[0] = code >>> 8
    payload[1] = code
    this.#platform.encodeUtf8(reason, payload, 2)
    return payload
  }

  #writeClose(code: number, reason: string, payload: Uint8Array): void {
    this.#sent = { code, reason }
    this.#serializer.writeBytes(FIN | Opcode.Close, payload)
  }

  #discard(): void {
    this.#isDiscarding = true
    this.#parser.discard()
    this.#reassembly?.decoder?.discard()
  }

  #move(event: ProtocolTransition): boolean {
    const next = transitions[this.#state][event]
    if (next === undefined) return false
    // What the peer begins was noted when it came.
    this.#beganBy ??= 'local'
    this.#state = next
    return true
  }
}

function getDefaultKernel(): Kernel {
  defaultKernel ??= createJavaScriptKernel(DEFAULT_READ_SIZE)
  return defaultKernel
}

function rethrow(error: unknown): never {
  throw error
}

/** Throw a RangeError when a control frame cannot carry the payload. */
export function assertControlPayload(payload: Uint8Array, name: string): void {
  if (payload.length > MAX_CONTROL_PAYLOAD) {
    throw new RangeError(
      `a ${name} carries at most ${MAX_CONTROL_PAYLOAD} bytes, and this one has ${payload.length}`,
    )
  }
}
