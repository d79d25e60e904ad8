// Runs cases over TCP: as a raw client against a server that echoes, or as a raw server for a client that
// echoes. It speaks HTTP and frames by itself, and waits for nothing longer than it says.

import { createHash, randomBytes } from 'node:crypto'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { type Case, groupOf, opposite, type Role, type Step, type Variant } from './case.ts'
import { FrameReader, join, Peer } from './codec.ts'
import { judge, type Observation } from './judge.ts'
import { CaseRecord, type CaseResult } from './results.ts'

export interface TcpOptions {
  /** The longest wait for one answer; 12 times as long for a message above 1 MiB. @default 5000 */
  readonly patience?: number
  /** How long an early failure may take before the rest is sent. @default 250 */
  readonly failureWindow?: number
  /** Conversations at a time; large messages go one by one. @default 8 */
  readonly concurrency?: number
  /** Be told of each case as it is done. */
  readonly onResult?: (result: CaseResult) => void
}

type Timing = Required<Omit<TcpOptions, 'onResult'>>

const PATIENCE_WITH_LARGE_MESSAGES = 12
const LARGE = 1024 * 1024

// Enough for an endpoint that ends the TCP connection by itself; then it is asked to with a close frame.
const GRACE = 150

// RFC 6455 section 1.3.
const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** Run the cases for servers against the one at `url`, which must be ws: and echo. */
export async function testServer(
  url: string,
  cases: readonly Case[],
  options: TcpOptions = {},
): Promise<CaseResult[]> {
  const target = new URL(url)
  if (target.protocol !== 'ws:') throw new TypeError(`${url} is not a ws: URL`)
  return runAll(cases, 'server', options, (timing) => openAsClient(target, timing.patience))
}

/**
 * Run the cases for clients: listen, and have a new connection made for each conversation. `connectClient` gets the
 * URL and must make an echoing client connect to it; leave it out when clients come by themselves.
 */
export async function testClient(
  cases: readonly Case[],
  options: TcpOptions & { readonly port?: number; readonly connectClient?: (url: string) => void } = {},
): Promise<CaseResult[]> {
  const listener = new RawServer()
  await listener.listen(options.port ?? 0)
  try {
    return await runAll(cases, 'client', options, (timing) => {
      options.connectClient?.(listener.url)
      // Who comes by himself takes the time he needs.
      return listener.accept(options.connectClient === undefined ? 60_000 : timing.patience)
    })
  } finally {
    listener.close()
  }
}

async function runAll(
  cases: readonly Case[],
  role: Role,
  options: TcpOptions,
  open: (timing: Timing) => Promise<RawConnection>,
): Promise<CaseResult[]> {
  const timing = { patience: 5000, failureWindow: 250, concurrency: 8, ...options }
  const chosen = cases.filter(({ roles }) => roles.includes(role))
  const results = new Map<Case, CaseResult>()
  const run = async (testCase: Case) => {
    const result = await runCase(testCase, role, timing, () => open(timing))
    results.set(testCase, result)
    options.onResult?.(result)
  }
  const isLarge = (testCase: Case) => ['9', '10'].includes(groupOf(testCase.id))
  const small = chosen.filter((testCase) => !isLarge(testCase)).values()
  const worker = async () => {
    for (const testCase of small) await run(testCase)
  }
  await Promise.all(Array.from({ length: timing.concurrency }, worker))
  for (const testCase of chosen.filter(isLarge)) await run(testCase)
  return chosen.map((testCase) => results.get(testCase)!)
}

// Byte by byte, a conversation costs one system call per byte.
const MOST_FOR_ONE_BYTE = 200
const VARIANTS_FOR_ONE_BYTE = 2

async function runCase(
  testCase: Case,
  role: Role,
  timing: Timing,
  open: () => Promise<RawConnection>,
): Promise<CaseResult> {
  const record = new CaseRecord(testCase, role)
  for (const [nth, variant] of testCase.variants(new Peer(opposite(role))).entries()) {
    const size = sizeOf(variant)
    await converse(variant, undefined, role, timing, open, record)
    const timed = variant.steps.some((step) => step.kind === 'failure')
    if (size <= MOST_FOR_ONE_BYTE && nth < VARIANTS_FOR_ONE_BYTE && !timed) {
      await converse(variant, 1, role, timing, open, record)
    }
  }
  return record.result()
}

function sizeOf(variant: Variant): number {
  return variant.steps.reduce((sum, step) => sum + (step.kind === 'send' ? step.bytes.length : 0), 0)
}

async function converse(
  variant: Variant,
  chunkSize: number | undefined,
  role: Role,
  { patience, failureWindow }: Timing,
  open: () => Promise<RawConnection>,
  record: CaseRecord,
): Promise<void> {
  const chunking = chunkSize === undefined ? 'step by step' : 'one byte at a time'
  let connection: RawConnection
  try {
    connection = await open()
  } catch (error) {
    const remarks = [`no connection: ${error instanceof Error ? error.message : String(error)}`]
    record.add(variant, chunking, { verdict: 'deviation', remarks }, new Uint8Array(0))
    return
  }
  const longest = sizeOf(variant) > LARGE ? patience * PATIENCE_WITH_LARGE_MESSAGES : patience
  try {
    const endCame = await follow(connection, variant.steps, chunkSize, longest, failureWindow)
    const observation = await conclude(connection, variant, longest, failureWindow)
    record.add(variant, chunking, judge(variant, { ...observation, endCame }, role), connection.received)
  } finally {
    connection.destroy()
  }
}

async function follow(
  connection: RawConnection,
  steps: readonly Step[],
  chunkSize: number | undefined,
  patience: number,
  failureWindow: number,
): Promise<Observation['endCame']> {
  const due = steps.findIndex((step) => step.kind === 'failure')
  let endCame: Observation['endCame']
  for (const [index, step] of steps.entries()) {
    if (index === due - 1) {
      // What was right so far must not be refused; one turn of the loop is all that can be spent on waiting for it.
      await turn()
      if (connection.isOver) return 'too early'
    }
    if (step.kind === 'send') {
      await connection.sendChunks(step.bytes, chunkSize ?? step.chop, patience)
    } else if (step.kind === 'await') {
      await connection.wait(() => connection.reader.replies.length >= step.replies, patience)
    } else {
      await connection.wait(() => false, failureWindow)
      if (connection.isOver) return 'in time'
      endCame = 'late'
    }
    if (connection.isOver) break
  }
  return endCame
}

/** Wait until the endpoint has said its last, and ended the TCP connection. */
async function conclude(
  connection: RawConnection,
  variant: Variant,
  patience: number,
  failureWindow: number,
): Promise<Omit<Observation, 'endCame'>> {
  const maySilent = variant.allowed?.some(({ end }) => end.kind === 'silent') ?? false
  await connection.wait(() => false, maySilent ? failureWindow : patience)
  // RFC 6455 section 7.1.1: the TCP connection "SHOULD be closed first by the server".
  if (connection.role === 'client') await connection.ended(GRACE)
  const { peer } = connection
  if (!connection.hasEnded && connection.reader.close !== undefined) {
    if (variant.required.end.kind === 'failed') connection.write(peer.close(1000))
    if (connection.role === 'server') connection.end()
    await connection.ended(patience)
  }
  const { reader } = connection
  if (connection.hasEnded) reader.finish()
  return { replies: reader.replies, close: reader.close, ended: connection.hasEnded, faults: reader.faults }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** One TCP connection after its opening handshake, and what came on it. */
class RawConnection {
  /** The role that we play. */
  readonly role: Role
  readonly peer: Peer
  readonly reader: FrameReader
  readonly #socket: Socket
  readonly #received: Uint8Array[] = []
  #receivedSize = 0
  #hasEnded = false
  #answeredPings = 0
  #wake: () => void = () => {}

  constructor(socket: Socket, role: Role, head: Uint8Array) {
    this.role = role
    this.peer = new Peer(role)
    this.reader = new FrameReader(opposite(role))
    this.#socket = socket
    socket.on('data', (chunk) => this.#take(chunk))
    for (const event of ['end', 'close', 'error']) {
      socket.on(event, () => {
        this.#hasEnded = true
        this.#wake()
      })
    }
    if (head.length > 0) this.#take(head)
    // It was paused when its head had come.
    socket.resume()
  }

  /** The endpoint has ended its half of the TCP connection, or all of it. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** The endpoint has sent its close frame or ended. */
  get isOver(): boolean {
    return this.#hasEnded || this.reader.close !== undefined
  }

  get received(): Uint8Array {
    return this.#received.length === 0 ? new Uint8Array(0) : join(this.#received)
  }

  write(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes)
  }

  /** Write chunks, each after the one before has left and the endpoint had a chance to answer. */
  async sendChunks(bytes: Uint8Array, size: number | undefined, patience: number): Promise<void> {
    const step = size ?? bytes.length
    for (let start = 0; start < bytes.length; start += step) {
      if (this.#hasEnded || !this.#socket.writable) return
      let written = false
      this.#socket.write(bytes.subarray(start, start + step), () => {
        written = true
        this.#wake()
      })
      if (!written && this.#socket.writableLength > 0) {
        await this.#until(() => written || this.#hasEnded, patience)
      }
      await turn()
    }
  }

  /** Wait until the condition holds or the connection is over. */
  wait(condition: () => boolean, patience: number): Promise<void> {
    return this.#until(() => this.isOver || condition(), patience)
  }

  /** Wait until the endpoint has ended the TCP connection. */
  ended(patience: number): Promise<void> {
    return this.#until(() => this.#hasEnded, patience)
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #until(condition: () => boolean, patience: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.#wake = () => {}
        resolve()
      }
      const timer = setTimeout(done, patience)
      this.#wake = () => {
        if (condition()) done()
      }
      this.#wake()
    })
  }

  #take(chunk: Uint8Array): void {
    if (this.#receivedSize < 1024) this.#received.push(chunk.subarray(0, 1024))
    this.#receivedSize += chunk.length
    this.reader.push(chunk)
    // The endpoint may check that we live.
    for (; this.#answeredPings < this.reader.pings.length; this.#answeredPings++) {
      if (!this.isOver) this.write(this.peer.pong(this.reader.pings[this.#answeredPings]))
    }
    this.#wake()
  }
}

/** Read up to the empty line that ends a head; return the head and what came behind it. */
function readHead(socket: Socket, patience: number): Promise<{ head: string; rest: Uint8Array }> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0)
    const fail = (error: Error) => {
      stop()
      socket.destroy()
      reject(error)
    }
    const onEnd = () => fail(new Error(`the opening handshake ended after ${bytes.length} bytes`))
    const onData = (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      const end = bytes.indexOf('\r\n\r\n')
      if (end === -1) return
      stop()
      socket.pause()
      resolve({ head: bytes.toString('latin1', 0, end), rest: bytes.subarray(end + 4) })
    }
    const timer = setTimeout(() => fail(new Error('the opening handshake took too long')), patience)
    const stop = () => {
      clearTimeout(timer)
      socket.off('data', onData).off('error', fail).off('close', onEnd)
    }
    socket.on('data', onData).on('error', fail).on('close', onEnd)
  })
}

function headerOf(head: string, name: string): string | undefined {
  for (const line of head.split('\r\n').slice(1)) {
    const colon = line.indexOf(':')
    if (line.slice(0, colon).trim().toLowerCase() === name) return line.slice(colon + 1).trim()
  }
  return undefined
}

function acceptFor(key: string): string {
  return createHash('sha1')
    .update(key + ACCEPT_SUFFIX)
    .digest('base64')
}

async function openAsClient(url: URL, patience: number): Promise<RawConnection> {
  const socket = connect(Number(url.port || 80), url.hostname.replace(/^\[|\]$/g, ''))
  socket.setNoDelay(true)
  const key = randomBytes(16).toString('base64')
  const lines = [
    `GET ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${url.host}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${key}`,
    'Sec-WebSocket-Version: 13',
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  const { head, rest } = await readHead(socket, patience)
  const problem = !/^HTTP\/1\.1 101\b/.test(head)
    ? `the server answered ${head.split('\r\n')[0]}`
    : headerOf(head, 'sec-websocket-accept') !== acceptFor(key)
      ? 'the server sent a wrong Sec-WebSocket-Accept'
      : headerOf(head, 'sec-websocket-extensions') !== undefined
        ? 'the server chose an extension that was not offered'
        : undefined
  if (problem !== undefined) {
    socket.destroy()
    throw new Error(problem)
  }
  return new RawConnection(socket, 'client', rest)
}

/** Accept clients under test, one connection for each conversation. */
class RawServer {
  readonly #server: Server = createServer((socket) => this.#arrived(socket))
  readonly #arrivals: Socket[] = []
  readonly #waiting: ((socket: Socket) => void)[] = []

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, '127.0.0.1', resolve)
    })
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#arrivals) socket.destroy()
  }

  async accept(patience: number): Promise<RawConnection> {
    const socket = this.#arrivals.shift() ?? (await this.#nextArrival(patience))
    const { head, rest } = await readHead(socket, patience)
    const key = headerOf(head, 'sec-websocket-key')
    if (key === undefined) {
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
      throw new Error('the client sent no Sec-WebSocket-Key')
    }
    const lines = [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${acceptFor(key)}`,
    ]
    socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    return new RawConnection(socket, 'server', rest)
  }

  #arrived(socket: Socket): void {
    socket.setNoDelay(true)
    socket.on('error', () => {})
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#arrivals.push(socket)
    else waiting(socket)
  }

  #nextArrival(patience: number): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const arrived = (socket: Socket) => {
        clearTimeout(timer)
        resolve(socket)
      }
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(arrived), 1)
        reject(new Error(`no client connected within ${patience} ms`))
      }, patience)
      this.#waiting.push(arrived)
    })
  }
}
