// Whoever opens connections tells it what happens, from the request to the end: it prints that and publishes it. There
// is none where nobody wants to know.

import type { Connection } from '../connection/connection.ts'
import type { TraceOptions } from '../connection/trace-options.ts'
import { engine } from '../kernel/engine.ts'
import type { CloseInfo } from '../protocol/close-code.ts'
import type { Role } from '../protocol/protocol.ts'
import type { Transport } from '../transport/transport.ts'
import { isAnyoneListening, isListening, publish } from './channels.ts'
import { MAX_BYTES, resolveTrace, type TraceSettings } from './enable-trace.ts'
import { type Direction, type FrameDescription, FrameLog, type FrameLogTarget, SIGILS } from './frame-log.ts'
import { Printer } from './printer.ts'
import { Redactor } from './redact.ts'
import { TapTransport } from './tap-transport.ts'

/** Headers as they stand on the line: pairs of name and value. */
export type HeaderLines = Iterable<readonly [string, string]>

let count = 0

/** Begin to watch a connection that is about to be opened; `undefined` when nobody wants to know of it. */
export function observe(role: Role, trace: boolean | TraceOptions | undefined): Observer | undefined {
  const settings = resolveTrace(trace)
  if (settings === undefined && !isAnyoneListening()) return undefined
  return new Observer(role, settings)
}

/** Watch one connection and its handshake. None of its methods throws. */
export class Observer implements FrameLogTarget {
  readonly role: Role
  readonly #number = ++count
  readonly #settings: TraceSettings | undefined
  readonly #printer: Printer | undefined
  readonly #redactor: Redactor
  #connection: Connection | undefined
  #isConnecting = false
  #isOver = false

  constructor(role: Role, settings: TraceSettings | undefined) {
    this.role = role
    this.#settings = settings
    this.#printer = settings && new Printer(settings, this.#number)
    this.#redactor = new Redactor(settings?.redact)
  }

  // --- the handshake ---

  /** Tell of a request: one that is about to be sent by a client, or came to a server. */
  request(method: string, target: string, headers: HeaderLines, httpVersion = '1.1'): void {
    if (!this.#isConnecting) this.print('= connection is CONNECTING')
    this.#isConnecting = true
    const shown = this.#redactor.target(target)
    const lines = this.#show(headers)
    this.#printHead(
      this.role === 'client' ? 'sent' : 'received',
      `${method} ${shown} HTTP/${httpVersion}`,
      lines,
    )
    if (!isListening('openline:handshake:request')) return
    publish('openline:handshake:request', { ...this.#base, method, target: shown, headers: joinLines(lines) })
  }

  /** Tell of a response: one that came to a client, or is sent by a server. */
  response(status: number, statusText: string, headers: HeaderLines, bodySize = 0): void {
    const direction = this.role === 'client' ? 'received' : 'sent'
    const lines = this.#show(headers)
    this.#printHead(direction, `HTTP/1.1 ${status} ${statusText}`.trimEnd(), lines)
    if (bodySize > 0) this.print(`${SIGILS[direction]} [body] (${bodySize} bytes)`)
    if (!isListening('openline:handshake:response')) return
    publish('openline:handshake:response', { ...this.#base, status, statusText, headers: joinLines(lines) })
  }

  /** Tell of a response that is sent, as a whole. */
  responseText(text: string): void {
    const [head = '', ...body] = text.split('\r\n\r\n')
    const [statusLine = '', ...lines] = head.split('\r\n')
    const [, status = '', statusText = ''] = /^HTTP\/[\d.]+ (\d+) ?(.*)$/.exec(statusLine) ?? []
    const headers = lines.map((line): [string, string] => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).trim()]
    })
    this.response(Number(status), statusText, headers, Buffer.byteLength(body.join('\r\n\r\n')))
  }

  /** Tell that the handshake failed. */
  failed(error: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#printError(error)
    this.print('= connection is CLOSED')
    if (isListening('openline:handshake:error')) {
      publish('openline:handshake:error', { ...this.#base, error })
    }
  }

  // --- the connection ---

  /** Return the transport to be used in place of this one; `extensions` is what the response named. */
  tap(transport: Transport, extensions: string): Transport {
    const isWanted = this.#printer !== undefined || this.isListening('sent') || this.isListening('received')
    if (!isWanted) return transport
    const frames = new FrameLog(this, this.#settings?.maxBytes ?? MAX_BYTES, extensions)
    return new TapTransport(transport, engine.kernel, frames)
  }

  /** Tell that the connection is open, before anything is read from it. */
  opened(connection: Connection): void {
    this.#connection = connection
    this.print('= connection is OPEN')
    if (isListening('openline:connection:open')) {
      publish('openline:connection:open', { ...this.#base, connection })
    }
    void connection.closed.then((info) => this.#closed(connection, info))
  }

  #closed(connection: Connection, info: CloseInfo): void {
    this.#isOver = true
    if (info.error !== undefined) this.#printError(info.error)
    this.print('= connection is CLOSED')
    this.print(`% ${this.#redactor.message(info.diagnosis)}`)
    if (isListening('openline:connection:close')) {
      publish('openline:connection:close', { ...this.#base, connection, info })
    }
  }

  // --- frames ---

  isListening(direction: Direction): boolean {
    return isListening(`openline:frame:${direction}`)
  }

  frame(direction: Direction, frame: FrameDescription): void {
    publish(`openline:frame:${direction}`, { ...this.#base, connection: this.#connection!, ...frame })
  }

  print(line: string): void {
    this.#printer?.print(line)
  }

  get #base(): { readonly number: number; readonly role: Role } {
    return { number: this.#number, role: this.role }
  }

  #show(headers: HeaderLines): [string, string][] {
    return Array.from(headers, ([name, value]) => [name, this.#redactor.header(name, value)])
  }

  #printHead(direction: Direction, firstLine: string, lines: HeaderLines): void {
    const sigil = SIGILS[direction]
    this.print(`${sigil} ${firstLine}`)
    for (const [name, value] of lines) this.print(`${sigil} ${name}: ${value}`)
  }

  #printError(error: unknown): void {
    const words = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    this.print(`! ${this.#redactor.message(words)}`)
  }
}

function joinLines(lines: HeaderLines): Record<string, string> {
  const joined = new Map<string, string>()
  for (const [name, value] of lines) {
    const lowerName = name.toLowerCase()
    const before = joined.get(lowerName)
    joined.set(lowerName, before === undefined ? value : `${before}, ${value}`)
  }
  return Object.fromEntries(joined)
}
