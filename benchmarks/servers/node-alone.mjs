// What is left when nothing is checked: the least that a server on Node needs which gives its messages away, by the
// fastest ways to read, unmask, copy and write that are known to us. From the first message it learns how long all of
// them are; from then on it counts bytes. No library can do with less, as long as it is made of Node's sockets.

import { createServer } from 'node:net'
import { computeAccept } from '../../dist/handshake/key.js'
import { engine } from '../../dist/kernel/engine.js'
import { allocateMessage, copyMessage } from '../../dist/kernel/message-memory.js'
import { readKey, rotateKey } from '../../dist/protocol/kernel.js'
import { applyMask } from '../../dist/protocol/masking.js'
import { tryDirectWrite, writeDirectly } from '../../dist/transport/direct-write.js'
import { attachSharedRead, trySharedRead } from '../../dist/transport/shared-read.js'
import { announce, host, port, work } from './contract.mjs'

// As many answers as one write takes.
const MOST_AT_ONCE = 64
const EMPTY = Buffer.alloc(0)
const { kernel, platform } = engine
const { memory, readStart, readSize } = kernel
// What sockets read into.
const readMemory = memory.subarray(readStart, readStart + readSize)

await Promise.all([trySharedRead(), tryDirectWrite()])

/** What the first message said of all: the size of its header, with the key, and of the whole frame. */
let shape
/** Frames to answer texts with, one behind the other, and the header of answers to binary messages. */
let answers = EMPTY
let answerHeader = EMPTY
const connections = new Set()
/** What was given away last, as a program would have it. */
let given

class Connection {
  socket
  /** What came before it was known how long messages are. */
  first = EMPTY
  /** How much came of a message that does not lie in one read, and its payload so far. */
  received = 0
  header = new Uint8Array(14)
  message
  /** Answers that wait until the system takes more: how many texts, or messages. */
  owed = 0
  waiting = []
  isWaiting = false

  constructor(socket) {
    this.socket = socket
  }

  read(length) {
    if (this.first === undefined) {
      this.take(readStart + length)
      return
    }
    const first = Buffer.concat([this.first, memory.subarray(readStart, readStart + length)])
    shape ??= learn(first)
    this.first = shape === undefined ? first : undefined
    for (let start = 0; shape !== undefined && start < first.length; start += readSize) {
      const part = first.subarray(start, start + readSize)
      memory.set(part, readStart)
      this.take(readStart + part.length)
    }
  }

  /** Take what lies in the memory. */
  take(end) {
    const { isText, head, size } = shape
    let count = 0
    for (let position = readStart; position < end; ) {
      if (this.received > 0 || end - position < size) {
        position = this.readPart(position, end)
        if (this.received > 0) continue
      } else {
        const start = position + head
        position += size
        kernel.unmask(start, position, readKey(memory, start - 4))
        given = isText ? platform.decodeAscii(memory, start, position) : copyMessage(memory, start, position)
      }
      if (isText) count++
      else this.answer(0, given)
    }
    if (count > 0) this.answer(count, undefined)
  }

  /** Take what there is of a message, and return where that ends. */
  readPart(position, end) {
    const { head, size } = shape
    while (this.received < head && position < end) this.header[this.received++] = memory[position++]
    if (this.received < head) return end
    const offset = this.received - head
    const stop = Math.min(position + size - this.received, end)
    kernel.unmask(position, stop, rotateKey(readKey(this.header, head - 4), offset))
    this.message ??= allocateMessage(size - head)
    this.message.set(memory.subarray(position, stop), offset)
    this.received += stop - position
    if (this.received === size) {
      given = this.message
      this.message = undefined
      this.received = 0
    }
    return stop
  }

  answer(count, message) {
    if (work === 'broadcast') for (const connection of connections) connection.send(count, message)
    else this.send(count, message)
  }

  send(count, message) {
    this.owed += count
    if (message !== undefined) this.waiting.push(message)
    if (!this.isWaiting) this.write()
  }

  write() {
    while (!this.isWaiting && (this.owed > 0 || this.waiting.length > 0)) {
      let rest
      if (this.owed > 0) {
        const count = Math.min(this.owed, MOST_AT_ONCE)
        this.owed -= count
        const size = answers.length / MOST_AT_ONCE
        rest = writeDirectly(this.socket, answers.subarray(0, count * size), undefined, this)
      } else {
        rest = writeDirectly(this.socket, answerHeader, this.waiting.shift(), this)
      }
      this.isWaiting = rest > 0
    }
  }

  receiveWritten(error) {
    this.isWaiting = false
    if (error === undefined) this.write()
    else this.socket.destroy()
  }
}

/** Learn from the first message, and make answers ready; `undefined` while it is not complete. */
function learn(frame) {
  if (frame.length < 14) return undefined
  const short = frame[1] & 0x7f
  const plainHead = short < 126 ? 2 : short === 126 ? 4 : 10
  const length =
    short < 126 ? short : short === 126 ? frame.readUInt16BE(2) : Number(frame.readBigUInt64BE(2))
  const head = plainHead + 4
  const size = head + length
  if (frame.length < size) return undefined
  const answer = Buffer.concat([frame.subarray(0, plainHead), frame.subarray(head, size)])
  answer[1] = short
  applyMask(answer, plainHead, answer.length, readKey(frame, plainHead))
  answers = Buffer.concat(new Array(MOST_AT_ONCE).fill(answer))
  answerHeader = answer.subarray(0, plainHead)
  return { isText: (frame[0] & 0x0f) === 1, head, size }
}

/** Answer a handshake that lies in the memory. */
function open(socket, length) {
  const [, key] = /^sec-websocket-key: *(\S+)/im.exec(
    platform.decodeAscii(memory, readStart, readStart + length),
  )
  const connection = new Connection(socket)
  connections.add(connection)
  socket.on('close', () => connections.delete(connection))
  const answer = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${computeAccept(key)}\r\n\r\n`
  writeDirectly(socket, Buffer.from(answer, 'latin1'), undefined, connection)
  return connection
}

const server = createServer({ noDelay: true }, (socket) => {
  let connection
  socket.on('error', () => {})
  const isAttached = attachSharedRead(socket, readMemory, (length) => {
    if (connection === undefined) connection = open(socket, length)
    else connection.read(length)
    return true
  })
  if (!isAttached) throw new Error('this Node reads by streams only')
})
server.listen(port, host, () => announce(server.address().port, process.versions.node))
