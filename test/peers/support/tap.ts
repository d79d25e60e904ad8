// A relay between a client and a server that counts what passes, so that a test can tell that messages were really
// compressed on the wire. Must not know the library: it reads no more of a frame than its header.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** What one direction has carried behind the handshake. */
export interface Traffic {
  /** Messages of text and bytes. */
  messages: number
  /** Those of them that are compressed: the first frame has RSV1. */
  compressed: number
  /** Frames behind the first one of a message. */
  continuations: number
  /** Payloads of all these frames, as they are on the wire. */
  bytes: number
}

export interface Tap {
  /** Where clients connect. */
  readonly url: string
  readonly fromClient: Traffic
  readonly fromServer: Traffic
}

/** Relay to a server on 127.0.0.1 until the test is over. */
export async function startTap(target: string): Promise<Tap> {
  const fromClient = noTraffic()
  const fromServer = noTraffic()
  const sockets: Socket[] = []
  // Small frames would wait for each other otherwise, 40 ms at a time.
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ port: Number(new URL(target).port), host: '127.0.0.1', noDelay: true })
    sockets.push(client, upstream)
    relay(client, upstream, fromClient)
    relay(upstream, client, fromServer)
  })
  server.listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  await once(server, 'listening')
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`, fromClient, fromServer }
}

function noTraffic(): Traffic {
  return { messages: 0, compressed: 0, continuations: 0, bytes: 0 }
}

function relay(from: Socket, to: Socket, traffic: Traffic): void {
  const counter = new FrameCounter(traffic)
  from.on('data', (chunk) => counter.take(chunk))
  from.pipe(to)
  // The ends see for themselves how the connection was lost.
  from.on('error', () => to.destroy())
}

/** Counts frames in a stream of bytes that begins with the head of a handshake. */
class FrameCounter {
  readonly #traffic: Traffic
  #isHead = true
  /** The beginning of what is not whole yet: the head, or the header of a frame. */
  #pending: Buffer = Buffer.alloc(0)
  /** How much of the frame is still to come. */
  #left = 0

  constructor(traffic: Traffic) {
    this.#traffic = traffic
  }

  take(chunk: Buffer): void {
    let rest = Buffer.concat([this.#pending, chunk])
    if (this.#isHead) {
      const end = rest.indexOf('\r\n\r\n')
      if (end >= 0) {
        this.#isHead = false
        this.#left = end + 4
      }
    }
    while (!this.#isHead) {
      const passed = Math.min(this.#left, rest.length)
      this.#left -= passed
      rest = rest.subarray(passed)
      if (this.#left > 0 || !this.#readHeader(rest)) break
    }
    this.#pending = rest
  }

  /** Count the frame that begins here; false when its length is not whole yet. */
  #readHeader(bytes: Buffer): boolean {
    const end = lengthEnd(bytes)
    if (bytes.length < end) return false
    const [first, second] = [bytes[0]!, bytes[1]!]
    const short = second & 0x7f
    const length =
      short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short
    this.#left = end + ((second & 0x80) === 0 ? 0 : 4) + length
    this.#note(first, length)
    return true
  }

  #note(first: number, length: number): void {
    const opcode = first & 0x0f
    if (opcode >= 8) return
    this.#traffic.bytes += length
    if (opcode === 0) {
      this.#traffic.continuations++
    } else {
      this.#traffic.messages++
      if ((first & 0x40) !== 0) this.#traffic.compressed++
    }
  }
}

/** Tell where the length of a frame ends, as far as its first two bytes are there. */
function lengthEnd(bytes: Buffer): number {
  const short = (bytes[1] ?? 0) & 0x7f
  return short === 127 ? 10 : short === 126 ? 4 : 2
}
