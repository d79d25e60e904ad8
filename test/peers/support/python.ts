// Python peers under our command: a child process for each library and release, which takes calls as lines of JSON.

import { afterAll, beforeAll } from 'vitest'
import { PYTHONS, type Python } from './peers.ts'
import { endPrograms, PATIENCE, Program } from './program.ts'

export type PeerMessage = string | Uint8Array

/** What a peer says about the end of a connection. */
export interface PeerClose {
  readonly code: number
  readonly reason: string
}

/** Why a call failed in Python. */
export class PythonError extends Error {
  override readonly name = 'PythonError'
  /** The class of the exception. */
  readonly kind: string
  /** The HTTP status with which a handshake was refused. */
  readonly status: number | undefined

  constructor(fields: { kind: string; message: string; status: number | null }) {
    super(`${fields.kind}: ${fields.message}`)
    this.kind = fields.kind
    this.status = fields.status ?? undefined
  }
}

interface Call {
  resolve(result: unknown): void
  reject(error: Error): void
}

/** One Python process. */
export class PythonPeer {
  readonly #program: Program
  readonly #calls = new Map<number, Call>()
  #count = 0
  #read = 0

  constructor(python: Python, script: string) {
    this.#program = new Program(PYTHONS[python], [`test/peers/python/${script}`])
    this.#program.onOutput(() => this.#takeAnswers())
  }

  /** Call a method of the script. */
  call<Result = void>(method: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<Result> {
    const id = ++this.#count
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#calls.delete(id)
        reject(new Error(`no answer to ${method} in ${PATIENCE} ms\n${this.#program.stderr}`))
      }, PATIENCE)
      this.#calls.set(id, {
        resolve: (result) => {
          clearTimeout(timer)
          resolve(result as Result)
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      })
      this.#program.write(`${JSON.stringify([id, method, parameters])}\n`)
    })
  }

  /** Connect as a client. */
  async connect(url: string, options: Readonly<Record<string, unknown>> = {}): Promise<PythonConnection> {
    return new PythonConnection(this, await this.call('connect', { url, ...options }))
  }

  /** Serve. */
  async serve(options: Readonly<Record<string, unknown>> = {}): Promise<PythonServer> {
    return new PythonServer(this, await this.call('serve', options))
  }

  #takeAnswers(): void {
    const { stdout } = this.#program
    const end = stdout.lastIndexOf('\n') + 1
    const lines = stdout.slice(this.#read, end).split('\n').slice(0, -1)
    this.#read = end
    for (const line of lines) {
      const [id, result, error] = JSON.parse(line)
      const call = this.#calls.get(id)
      this.#calls.delete(id)
      if (error === null) call?.resolve(result)
      else call?.reject(new PythonError(error))
    }
  }
}

/** A connection of a Python client. */
export class PythonConnection {
  readonly subprotocol: string | undefined
  /** The extensions that the server accepted. */
  readonly extensions: string | undefined
  readonly #peer: PythonPeer
  readonly #number: number

  constructor(
    peer: PythonPeer,
    opened: { connection: number; subprotocol: string | null; extensions: string | null },
  ) {
    this.#peer = peer
    this.#number = opened.connection
    this.subprotocol = opened.subprotocol ?? undefined
    this.extensions = opened.extensions ?? undefined
  }

  send(message: PeerMessage): Promise<void> {
    return this.#call('send', { message: toJson(message) })
  }

  sendFragments(fragments: readonly PeerMessage[]): Promise<void> {
    return this.#call('sendFragments', { fragments: fragments.map(toJson) })
  }

  /** Send a ping and wait for its pong. */
  ping(payload: string): Promise<void> {
    return this.#call('ping', { payload })
  }

  async receive(): Promise<PeerMessage> {
    return fromJson(await this.#call('receive'))
  }

  /** Close, and tell what the close frame of the server said. */
  close(code = 1000, reason = ''): Promise<PeerClose> {
    return this.#call('close', { code, reason })
  }

  /** Wait for the server to close, and tell what its close frame said. */
  closed(): Promise<PeerClose> {
    return this.#call('closed')
  }

  #call<Result>(method: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<Result> {
    return this.#peer.call(method, { connection: this.#number, ...parameters })
  }
}

/** A server in Python that echoes, and obeys some texts: see websockets_peer.py. */
export class PythonServer {
  readonly port: number
  readonly #peer: PythonPeer
  readonly #number: number

  constructor(peer: PythonPeer, { server, port }: { server: number; port: number | null }) {
    this.#peer = peer
    this.#number = server
    this.port = port ?? 0
  }

  /** Wait for the end of one more connection, and tell what the client's close frame said. */
  nextClose(): Promise<PeerClose> {
    return this.#peer.call('nextClose', { server: this.#number })
  }

  stop(): Promise<void> {
    return this.#peer.call('stop', { server: this.#number })
  }
}

/** Have one Python process for the tests of a suite. */
export function usePython(python: Python, script: string): () => PythonPeer {
  let peer: PythonPeer | undefined
  beforeAll(() => {
    peer = new PythonPeer(python, script)
  })
  afterAll(endPrograms)
  return () => peer!
}

function toJson(message: PeerMessage): Record<string, string> {
  if (typeof message === 'string') return { text: message }
  return { binary: Buffer.from(message).toString('base64') }
}

function fromJson(message: { text: string } | { binary: string }): PeerMessage {
  return 'text' in message ? message.text : new Uint8Array(Buffer.from(message.binary, 'base64'))
}
