// The pairs of examples/python: one of them runs against a server or before clients of ours, and what these saw is noted.

import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import {
  type CloseInfo,
  type Connection,
  connect,
  HandshakeRejectedError,
  type Message,
  serve,
} from '../../../src/index.ts'
import { PYTHONS } from './peers.ts'
import { type Exit, PATIENCE, Program, startExample } from './program.ts'

export type Language = 'Python' | 'TypeScript'

/** Start one of a pair, which ends with `endPrograms` at the latest: `log_in` is log_in.py and log-in.ts. */
export function startPair(name: string, language: Language, ...args: readonly string[]): Program {
  return language === 'TypeScript'
    ? startExample(`python/${name.replaceAll('_', '-')}.ts`, args)
    : new Program(PYTHONS.newest, [`examples/python/${name}.py`, ...args])
}

// --- clients ---

/** What a server saw of one connection. */
export interface Seen {
  readonly target: string
  /** Those of the headers that say something about the program. */
  readonly headers: Readonly<Record<string, string>>
  readonly subprotocol: string | undefined
  readonly messages: (string | readonly number[])[]
  /** The payloads of pings count as nothing: they are random, or a name of the library's. */
  isPinged: boolean
  /**
   * Who began to close, and with what. The answer to it does not count: websocket-client answers 1000 whatever it was
   * told.
   */
  end: string
}

/** What a server does, connection by connection; `number` counts them from 1. */
export interface Script {
  message?(connection: Connection, message: Message, number: number): void
  ping?(connection: Connection, number: number): void
}

/** What a client did. */
export interface ClientRun {
  readonly seen: readonly Seen[]
  readonly lines: readonly string[]
  /** What it wrote to its error output. */
  readonly errors: string
  readonly exit: Exit
}

const HEADERS = ['authorization', 'cookie', 'origin', 'sec-websocket-protocol', 'x-device']

/** Run a client against a server that follows a script, until both are done. */
export async function runClient(name: string, language: Language, script: Script): Promise<ClientRun> {
  const seen: Seen[] = []
  const numbers = new Map<Connection, number>()
  const ends: Promise<unknown>[] = []
  const at = (connection: Connection): number => numbers.get(connection)!
  const server = await serve(
    {
      open(connection) {
        ends.push(connection.closed)
        numbers.set(connection, seen.length + 1)
        const { target, headers } = connection.request
        seen.push({
          target,
          headers: Object.fromEntries(
            HEADERS.flatMap((header) => (header in headers ? [[header, headers[header]!]] : [])),
          ),
          subprotocol: connection.subprotocol,
          messages: [],
          isPinged: false,
          end: 'open',
        })
      },
      message(connection, message) {
        seen[at(connection) - 1]!.messages.push(typeof message === 'string' ? message : [...message])
        script.message?.(connection, message, at(connection))
      },
      ping(connection) {
        seen[at(connection) - 1]!.isPinged = true
        script.ping?.(connection, at(connection))
      },
      close(connection, info) {
        seen[at(connection) - 1]!.end = describeEnd(info)
      },
    },
    { host: '127.0.0.1', origins: 'any', subprotocols: ['prices.v2', 'echo'] },
  )
  try {
    const program = startPair(name, language, `ws://127.0.0.1:${server.port}/path?query=1`)
    const exit = await program.exit()
    await Promise.all(ends)
    return { seen, lines: program.lines, errors: program.stderr, exit }
  } finally {
    await server.close({ timeout: 1000 })
  }
}

function describeEnd({ initiator, received, sent }: CloseInfo): string {
  const first = initiator === 'remote' ? received : sent
  const who = initiator === 'remote' ? 'the client' : 'the server'
  if (first === undefined) return `${who} went without a close frame`
  return `${who} closed with ${first.code}${first.reason && ` ${first.reason}`}`
}

// --- servers ---

/** What a client saw of a connection, or of a refusal. */
export interface SeenByClient {
  readonly subprotocol?: string | undefined
  readonly messages?: readonly (string | readonly number[])[]
  readonly closed?: string
  readonly refused?: string
}

/** Start a server, and give its port once it listens. */
export async function startServerOf(
  name: string,
  language: Language,
): Promise<{ readonly program: Program; readonly port: number }> {
  const program = startPair(name, language, '0')
  const [, port] = await program.waitFor(/port (\d+)/)
  return { program, port: Number(port) }
}

/** A client of a server, which notes what it saw. */
export class Visitor {
  readonly #connection: Connection
  readonly #messages: (string | readonly number[])[] = []

  private constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Connect. Resolves to what the server refused with, if it did. */
  static async visit(
    port: number,
    options: { headers?: Record<string, string>; subprotocols?: readonly string[] } = {},
  ): Promise<Visitor | SeenByClient> {
    try {
      return new Visitor(await connect(`ws://127.0.0.1:${port}/`, { openTimeout: PATIENCE, ...options }))
    } catch (error) {
      if (!(error instanceof HandshakeRejectedError)) throw error
      return { refused: `${error.status} ${error.body}` }
    }
  }

  async send(message: string | Uint8Array): Promise<void> {
    await this.#connection.send(message)
  }

  async receive(): Promise<void> {
    const message = await this.#connection.receive({ timeout: PATIENCE })
    this.#messages.push(typeof message === 'string' ? message : [...message])
  }

  /** Wait for the server to close, and tell all. */
  async end(): Promise<SeenByClient> {
    const { received } = await this.#connection.closed
    const closed = received === undefined ? 'no close frame' : `${received.code} ${received.reason}`.trim()
    return { subprotocol: this.#connection.subprotocol, messages: this.#messages, closed }
  }
}

/** Make a request that is no handshake, and tell the answer. */
export async function fetchText(port: number, path: string): Promise<string> {
  const request = get({ host: '127.0.0.1', port, path, agent: false, timeout: PATIENCE })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return `${response.statusCode} ${await text(response)}`
}
