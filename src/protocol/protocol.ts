// One end of a WebSocket after its handshake, without any I/O: bytes come in, facts go to a handler, bytes go
// to an output. It never throws for what a peer sent, and it reports nothing after it failed.

import { ProtocolError } from '../errors.ts'
import { CloseCode, type CloseFrame, isValidCloseCode } from './close-code.ts'
import { type Extension, ExtensionPipeline } from './extension.ts'
import { type ControlSink, FrameParser } from './frame-parser.ts'
import { FIN, FrameSerializer } from './frame-serializer.ts'
import { createJavaScriptKernel, type Kernel } from './kernel.ts'
import { defaultLimits, type Limits, MAX_CLOSE_REASON, MAX_CONTROL_PAYLOAD } from './limits.ts'
import { createMaskingKeySource, type MaskingKeySource } from './masking.ts'
import {
  type AcceptedMessages,
  type Message,
  MessageAssembler,
  type MessageSink,
} from './message-assembler.ts'
import { Opcode } from './opcode.ts'
import type { Output } from './output.ts'
import { type Platform, portablePlatform } from './platform.ts'
import type { PreparedMessage } from './prepared-message.ts'
import { type ProtocolState, type ProtocolTransition, transitions } from './transitions.ts'

/** Name the end of the connection that we are: clients mask, servers do not. */
export type Role = 'client' | 'server'

/** Be told what came. Calls are made while bytes are parsed, so a handler must not throw. */
export interface ProtocolHandler {
  onMessage(message: Message): void
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
  /** The extensions that both ends agreed on, in order. */
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
const NONE = new ExtensionPipeline()
const DEFAULT_READ_SIZE = 64 * 1024
let defaultKernel: Kernel | undefined

/** Speak RFC 6455, one end of it. */
export class Protocol implements ControlSink, MessageSink {
  readonly role: Role
  readonly #platform: Platform
  readonly #output: Output
  readonly #handler: ProtocolHandler
  readonly #extensions: ExtensionPipeline
  readonly #assembler: MessageAssembler
  readonly #parser: FrameParser
  readonly #serializer: FrameSerializer
  #state: ProtocolState = 'open'
  #received: CloseFrame | undefined
  #sent: CloseFrame | undefined
  #beganBy: 'local' | 'remote' | undefined
  /** The ping to answer once the peer takes data again. */
  #owedPong: Uint8Array | undefined
  /** The close frame or violation that waits for `proceed`. */
  #ending: CloseFrame | ProtocolError | undefined

  constructor(options: ProtocolOptions) {
    const { role, output, handler, platform = portablePlatform, limits = defaultLimits(role) } = options
    const kernel = options.kernel ?? getDefaultKernel()
    this.role = role
    this.#platform = platform
    this.#output = output
    this.#handler = handler
    const { extensions } = options
    this.#extensions =
      extensions === undefined || extensions.length === 0 ? NONE : new ExtensionPipeline(extensions)
    this.#assembler = new MessageAssembler({
      platform,
      limits,
      extensions: this.#extensions,
      accept: options.accept ?? 'any',
      sink: this,
    })
    this.#parser = new FrameParser({
      kernel,
      platform,
      peerMasks: role === 'server',
      allowedReservedBits: this.#extensions.reservedBits,
      assembler: this.#assembler,
      control: this,
    })
    const maskingKeys =
      role === 'client' ? (options.maskingKeys ?? createMaskingKeySource(platform)) : undefined
    this.#serializer = new FrameSerializer(output, platform, maskingKeys)
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

  /** True while a message has begun to come and has not ended. */
  get isReceivingMessage(): boolean {
    return this.#assembler.isIncomplete
  }

  /** True while bytes wait that were received but not parsed. */
  get hasBacklog(): boolean {
    return this.#parser.hasBacklog
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

  /** Stop reporting after the current frame; what comes is kept. */
  pause(): void {
    this.#parser.pause()
  }

  /** Report again. */
  resume(): void {
    this.#parser.resume()
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

  /** Write a text message. Nothing is written unless the state is `open`. */
  sendText(text: string): void {
    if (this.#state !== 'open') return
    if (this.#extensions.isEmpty) {
      this.#serializer.writeText(FIN | Opcode.Text, text)
      return
    }
    const bytes = this.#platform.allocate(this.#platform.utf8Length(text))
    this.#platform.encodeUtf8(text, bytes, 0)
    this.#sendEncoded(Opcode.Text, bytes)
  }

  /** Write a message of bytes, as binary unless they are said to be the UTF-8 of a text. */
  sendBytes(bytes: Uint8Array, opcode: typeof Opcode.Binary | typeof Opcode.Text = Opcode.Binary): void {
    if (this.#state !== 'open') return
    if (this.#extensions.isEmpty) this.#serializer.writeBytes(FIN | opcode, bytes)
    else this.#sendEncoded(opcode, bytes)
  }

  /** Write a message that goes to other peers too. */
  sendPrepared(message: PreparedMessage): void {
    if (this.#state !== 'open') return
    // Only unmasked frames look the same for all, and only without extensions.
    const isShared = this.role === 'server' && this.#extensions.isEmpty
    if (isShared && this.#output.appendShared !== undefined) this.#output.appendShared(message.frame)
    else this.sendBytes(message.payload, message.opcode)
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

  /**
   * Fail the connection (RFC 6455 section 7.1.7): say why in a close frame if one may still be sent, and ignore
   * whatever comes. Throw a RangeError as `sendClose` does.
   */
  fail(code: number, reason: string): void {
    const payload = this.#closePayload(code, reason)
    const canClose = this.#state === 'open' || this.#state === 'close-received'
    this.#parser.discard()
    this.#ending = undefined
    if (this.#move('fail') && canClose) this.#writeClose(code, reason, payload)
  }

  /** Report and send nothing more: the transport is gone, or about to go. */
  abandon(): void {
    this.#parser.discard()
    this.#ending = undefined
    this.#move('fail')
  }

  /** Say that the peer takes data again: what was held back goes out. */
  outputDrained(): void {
    if (this.#owedPong === undefined) return
    const payload = this.#owedPong
    this.#owedPong = undefined
    this.sendPong(payload)
  }

  // --- what parser and assembler report ---

  onMessage(message: Message): void {
    this.#handler.onMessage(message)
  }

  onControl(opcode: number, payload: Uint8Array): void {
    if (opcode === Opcode.Ping) this.#receivePing(payload)
    else if (opcode === Opcode.Pong) this.#handler.onPong?.(payload)
    else this.#receiveClose(payload)
  }

  onViolation(error: ProtocolError): void {
    this.#end(error)
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
    this.#parser.discard()
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

  #sendEncoded(opcode: number, bytes: Uint8Array): void {
    const { payload, reservedBits } = this.#extensions.encode(bytes)
    this.#serializer.writeBytes(FIN | reservedBits | opcode, payload)
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

/** Throw a RangeError when a control frame cannot carry the payload. */
export function assertControlPayload(payload: Uint8Array, name: string): void {
  if (payload.length > MAX_CONTROL_PAYLOAD) {
    throw new RangeError(
      `a ${name} carries at most ${MAX_CONTROL_PAYLOAD} bytes, and this one has ${payload.length}`,
    )
  }
}
