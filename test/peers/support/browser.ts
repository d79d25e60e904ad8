// Headless Chromium under our command, and WebSockets in its pages.

import { type Browser, chromium, type Page } from 'playwright-core'
import { CHROMIUM } from './peers.ts'

/** What the browser tells about the end of a connection. */
export interface BrowserClose {
  readonly code: number
  readonly reason: string
  readonly wasClean: boolean
}

const OPTIONS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Start Chromium with a new profile, which is gone at its end. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: OPTIONS })
}

/** A page without anything, with the functions below. */
export const PAGE = `<!doctype html>
<title>peer</title>
<script>
  const sockets = []
  function open(url, subprotocols) {
    const socket = new WebSocket(url, subprotocols)
    socket.binaryType = 'arraybuffer'
    const messages = [], waiters = []
    socket.onmessage = ({ data }) => waiters.length ? waiters.shift()(data) : messages.push(data)
    socket.receive = () => messages.length
      ? Promise.resolve(messages.shift())
      : new Promise((resolve) => waiters.push(resolve))
    socket.ended = new Promise((resolve) => {
      socket.onclose = ({ code, reason, wasClean }) => resolve({ code, reason, wasClean })
    })
    const opened = new Promise((resolve) => { socket.onopen = () => resolve() })
    const id = sockets.push(socket) - 1
    return Promise.race([opened, socket.ended]).then((closed) => ({
      id, closed, subprotocol: socket.protocol, extensions: socket.extensions,
    }))
  }
  function echo(id) {
    sockets[id].onmessage = ({ data }) => sockets[id].send(data)
  }
  function toBytes(base64) {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  }
  async function toBase64(buffer) {
    const url = await new Promise((resolve) => {
      const reader = new FileReader()
      reader.onload = () => resolve(reader.result)
      reader.readAsDataURL(new Blob([buffer]))
    })
    return url.slice(url.indexOf(',') + 1)
  }
  async function receive(id) {
    const data = await sockets[id].receive()
    return typeof data === 'string' ? { text: data } : { binary: await toBase64(data) }
  }
</script>
`

/** A WebSocket in a page. */
export class BrowserSocket {
  readonly subprotocol: string
  readonly extensions: string
  /** How it ended before it was open; `undefined` when it is open. */
  readonly refused: BrowserClose | undefined
  readonly #page: Page
  readonly #socket: string
  readonly #id: number

  private constructor(page: Page, opened: Opened) {
    this.#page = page
    this.#id = opened.id
    this.#socket = `sockets[${opened.id}]`
    this.refused = opened.closed
    this.subprotocol = opened.subprotocol
    this.extensions = opened.extensions
  }

  /** Connect, and wait until it is open or refused. The page must be `PAGE`. */
  static async open(page: Page, url: string, subprotocols: readonly string[] = []): Promise<BrowserSocket> {
    const parameters = [url, subprotocols].map((value) => JSON.stringify(value))
    return new BrowserSocket(page, await page.evaluate<Opened>(`open(${parameters.join(', ')})`))
  }

  async send(message: string | Uint8Array): Promise<void> {
    const data =
      typeof message === 'string'
        ? JSON.stringify(message)
        : `toBytes("${Buffer.from(message).toString('base64')}")`
    await this.#page.evaluate(`${this.#socket}.send(${data})`)
  }

  async receive(): Promise<string | Uint8Array> {
    const message = await this.#page.evaluate<{ text: string } | { binary: string }>(`receive(${this.#id})`)
    return 'text' in message ? message.text : new Uint8Array(Buffer.from(message.binary, 'base64'))
  }

  /** Send back whatever comes from now on. */
  async echo(): Promise<void> {
    await this.#page.evaluate(`echo(${this.#id})`)
  }

  /** Close, and wait for the end. */
  async close(code?: number, reason?: string): Promise<BrowserClose> {
    const parameters = [code, reason].filter((value) => value !== undefined)
    await this.#page.evaluate(
      `${this.#socket}.close(${parameters.map((value) => JSON.stringify(value)).join(', ')})`,
    )
    return this.closed()
  }

  closed(): Promise<BrowserClose> {
    return this.#page.evaluate(`${this.#socket}.ended`)
  }
}

interface Opened {
  readonly id: number
  readonly closed: BrowserClose | undefined
  readonly subprotocol: string
  readonly extensions: string
}
