// An extension of one's own: each message travels with its CRC-32 behind it, and one that was damaged on the way ends
// the connection with 1007. It works piece by piece, so that large messages need not be held.
import type { Extension, ExtensionDefinition, ExtensionParameter, MessagePiece } from 'openline'
import { ReservedBit } from 'openline/protocol'

const SIZE = 4
const PARAMETER = { name: 'algorithm', value: 'crc32' }

/** The definition that both ends give as an option: what the handshake says, and who does the work then. */
export const checksum: ExtensionDefinition = {
  name: 'checksum',
  offer: () => [PARAMETER],
  // A client may offer what we do not know: then the connection opens without.
  accept: (parameters) =>
    isOurs(parameters) ? { parameters: [PARAMETER], extension: new Checksum() } : undefined,
  confirm(parameters) {
    if (!isOurs(parameters)) throw new Error('it must be algorithm=crc32')
    return new Checksum()
  },
}

function isOurs(parameters: readonly ExtensionParameter[]): boolean {
  const [first, ...others] = parameters
  return others.length === 0 && first?.name === PARAMETER.name && first.value === PARAMETER.value
}

/** What happens to the messages of one connection. */
class Checksum implements Extension {
  readonly name = 'checksum'
  /** The bit that says on the wire that there is a sum behind the message. */
  readonly reservedBits: number = ReservedBit.Rsv2
  #sent = new Crc32()
  #received = new Crc32()
  /** The last bytes that came: they may be the sum. */
  #tail: Uint8Array = new Uint8Array(0)

  encode({ payload, isLast }: MessagePiece): Uint8Array {
    this.#sent.update(payload)
    if (!isLast) return payload
    const sum = new Uint8Array(SIZE)
    new DataView(sum.buffer).setUint32(0, this.#sent.take())
    return join(payload, sum)
  }

  // Pieces are cut anywhere, also within the sum.
  decode({ payload, isLast }: MessagePiece): Uint8Array {
    const bytes = join(this.#tail, payload)
    const end = Math.max(bytes.length - SIZE, 0)
    this.#received.update(bytes.subarray(0, end))
    this.#tail = bytes.slice(end)
    if (isLast) this.#check()
    return bytes.subarray(0, end)
  }

  #check(): void {
    const { buffer, length } = this.#tail
    const expected = length === SIZE ? new DataView(buffer).getUint32(0) : undefined
    this.#tail = new Uint8Array(0)
    if (this.#received.take() !== expected) throw new Error('the message was damaged on the way')
  }
}

/** The cyclic redundancy check of gzip and Ethernet. */
class Crc32 {
  #value = 0xffffffff

  update(bytes: Uint8Array): void {
    let value = this.#value
    for (const byte of bytes) value = TABLE[(value ^ byte) & 0xff]! ^ (value >>> 8)
    this.#value = value
  }

  /** Give the sum, and begin anew. */
  take(): number {
    const sum = ~this.#value >>> 0
    this.#value = 0xffffffff
    return sum
  }
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})

function join(first: Uint8Array, second: Uint8Array): Uint8Array {
  const joined = new Uint8Array(first.length + second.length)
  joined.set(first)
  joined.set(second, first.length)
  return joined
}
