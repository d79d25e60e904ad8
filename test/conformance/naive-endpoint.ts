// A second endpoint, written only to check the table: it keeps all bytes in one array, and reads one frame after
// the other from the start. Each of its flaws must be found by the table.

import type { Role } from '../../conformance/case.ts'
import { BINARY, CLOSE, join, Peer, PING, PONG, TEXT } from '../../conformance/codec.ts'
import type { Endpoint, EndpointFactory } from '../../conformance/in-memory.ts'
import { firstInvalidByte } from '../../conformance/utf8.ts'

/** Name what the endpoint does wrong. */
export type Flaw =
  | 'accepts reserved bits'
  | 'accepts the first reserved bit'
  | 'accepts reserved opcodes'
  | 'accepts wrong masking'
  | 'accepts long control frames'
  | 'accepts fragmented control frames'
  | 'accepts lengths that are not minimal'
  | 'reads the low 32 bits of a length'
  | 'takes the length 126 for a length'
  | 'ignores the most significant bit of a length'
  | 'accepts a continuation of nothing'
  | 'accepts a message inside another one'
  | 'forgets fragments when a control frame comes'
  | 'sends fragments as messages'
  | 'never answers pings'
  | 'answers pings without their payload'
  | 'answers pings late'
  | 'answers pongs'
  | 'does not validate UTF-8'
  | 'validates UTF-8 at the end of the message'
  | 'validates UTF-8 frame by frame'
  | 'accepts surrogates'
  | 'accepts overlong encodings'
  | 'refuses noncharacters'
  | 'strips byte order marks'
  | 'validates binary'
  | 'does not validate close reasons'
  | 'accepts every close code'
  | 'refuses registered close codes'
  | 'accepts a close payload of 1 byte'
  | 'reads on after a close frame'
  | 'never answers a close frame'
  | 'reads on after a failure'
  | 'fails with code 1002 for bad text'
  | 'masks wrongly'
  | 'uses one masking key'
  | 'sends lengths that are not minimal'
  | 'echoes text as binary'
  | 'loses empty messages'

interface Header {
  readonly first: number
  readonly opcode: number
  readonly masked: boolean
  readonly lengthBytes: number
  readonly length: bigint
  readonly size: number
}

const LIMIT = 16n * 1024n * 1024n

class NaiveEndpoint implements Endpoint {
  state: 'open' | 'closed' | 'failed' = 'open'
  readonly #role: Role
  readonly #peer: Peer
  readonly #flaws: readonly Flaw[]
  #input: Uint8Array = new Uint8Array(0)
  #output: Uint8Array[] = []
  #message: { opcode: number; parts: Uint8Array[] } | undefined
  #latePings: Uint8Array[] = []

  constructor(role: Role, flaws: readonly Flaw[]) {
    this.#role = role
    this.#peer = new Peer(role)
    this.#flaws = flaws
  }

  receive(chunk: Uint8Array): void {
    if (this.state === 'closed' && !this.#has('reads on after a close frame')) return
    if (this.state === 'failed' && !this.#has('reads on after a failure')) return
    this.#input = join([this.#input, chunk])
    while (this.#readFrame());
  }

  takeOutput(): Uint8Array {
    const output = this.#output
    this.#output = []
    return output.length === 0 ? new Uint8Array(0) : join(output)
  }

  #has(flaw: Flaw): boolean {
    return this.#flaws.includes(flaw)
  }

  #readFrame(): boolean {
    if (this.state === 'failed' && !this.#has('reads on after a failure')) return false
    if (this.state === 'closed' && !this.#has('reads on after a close frame')) return false
    const header = this.#readHeader()
    if (header === undefined) return false
    const { first, opcode, length, size, masked } = header
    const violation = this.#violation(header)
    if (violation !== undefined) {
      this.#fail(violation)
      this.#input = this.#input.slice(size)
      return this.#has('reads on after a failure')
    }
    const here = Math.min(this.#input.length - size, Number(length))
    const payload = this.#input.slice(size, size + here)
    const key = this.#input.slice(size - 4, size)
    if (masked) for (let index = 0; index < here; index++) payload[index]! ^= key[index & 3]!
    if (BigInt(here) < length) {
      if (opcode < CLOSE) this.#checkEarly(opcode, payload)
      return false
    }
    this.#input = this.#input.slice(size + here)
    if (opcode >= CLOSE) this.#takeControl(opcode, payload)
    else this.#takeData(opcode, first >= 0x80, payload)
    return true
  }

  #readHeader(): Header | undefined {
    const input = this.#input
    if (input.length < 2) return undefined
    const masked = input[1]! >= 0x80
    const short = input[1]! & 0x7f
    const honest = !this.#has('takes the length 126 for a length')
    const lengthBytes = short === 127 ? 8 : short === 126 && honest ? 2 : 0
    const size = 2 + lengthBytes + (masked ? 4 : 0)
    if (input.length < size) return undefined
    const view = new DataView(input.buffer, input.byteOffset)
    let length =
      lengthBytes === 8 ? view.getBigUint64(2) : BigInt(lengthBytes === 2 ? view.getUint16(2) : short)
    if (this.#has('reads the low 32 bits of a length')) length &= 0xffffffffn
    if (this.#has('ignores the most significant bit of a length')) length &= (1n << 63n) - 1n
    return { first: input[0]!, opcode: input[0]! & 0xf, masked, lengthBytes, length, size }
  }

  #violation({ first, opcode, masked, lengthBytes, length }: Header): number | undefined {
    const fin = first >= 0x80
    const control = opcode >= CLOSE
    const reserved = first & (this.#has('accepts the first reserved bit') ? 0x30 : 0x70)
    const minimum = lengthBytes === 8 ? 65536n : lengthBytes === 2 ? 126n : 0n
    const has = (flaw: Flaw) => this.#has(flaw)
    if (reserved !== 0 && !has('accepts reserved bits')) return 1002
    if (((opcode > 2 && opcode < CLOSE) || opcode > PONG) && !has('accepts reserved opcodes')) return 1002
    if (masked !== (this.#role === 'server') && !has('accepts wrong masking')) return 1002
    if (control && length > 125n && !has('accepts long control frames')) return 1002
    if (control && !fin && !has('accepts fragmented control frames')) return 1002
    if (length < minimum && !has('accepts lengths that are not minimal')) return 1002
    if (length >= 1n << 63n) return 1002
    if (!control) {
      if (opcode === 0 && this.#message === undefined && !has('accepts a continuation of nothing'))
        return 1002
      if (opcode !== 0 && this.#message !== undefined && !has('accepts a message inside another one'))
        return 1002
    }
    return length > LIMIT ? 1009 : undefined
  }

  #takeControl(opcode: number, payload: Uint8Array): void {
    if (this.#has('forgets fragments when a control frame comes') && this.#message !== undefined) {
      this.#message.parts = []
    }
    if (opcode === PING) this.#takePing(payload)
    if (opcode === PONG && this.#has('answers pongs')) this.#output.push(this.#peer.pong(payload))
    if (opcode === CLOSE) this.#takeClose(payload)
  }

  #takePing(payload: Uint8Array): void {
    if (this.#has('never answers pings')) return
    if (this.#has('answers pings late') && this.#message !== undefined) this.#latePings.push(payload)
    else this.#output.push(this.#peer.pong(this.#has('answers pings without their payload') ? '' : payload))
  }

  #takeClose(payload: Uint8Array): void {
    const code = payload.length >= 2 ? (payload[0]! << 8) | payload[1]! : 1005
    if (payload.length === 1 && !this.#has('accepts a close payload of 1 byte')) this.#fail(1002)
    else if (payload.length >= 2 && !this.#acceptsCode(code)) this.#fail(1002)
    else if (
      firstInvalidByte(payload.subarray(2)) !== undefined &&
      !this.#has('does not validate close reasons')
    ) {
      this.#fail(1007)
    } else if (!this.#has('never answers a close frame')) {
      this.#output.push(this.#peer.close(payload.length < 2 ? undefined : code))
      this.state = 'closed'
    }
  }

  #acceptsCode(code: number): boolean {
    if (this.#has('accepts every close code')) return true
    if (this.#has('refuses registered close codes') && code >= 1004 && code <= 1014) return false
    return (
      [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014].includes(code) ||
      (code >= 3000 && code <= 4999)
    )
  }

  #takeData(opcode: number, fin: boolean, payload: Uint8Array): void {
    if (opcode !== 0 || this.#message === undefined) this.#message = { opcode: opcode || TEXT, parts: [] }
    const { parts } = this.#message
    const kind = this.#message.opcode
    parts.push(payload)
    const whole = join(parts)
    if (this.#isBadText(kind, this.#has('validates UTF-8 frame by frame') ? payload : whole, fin)) {
      this.#fail(this.#has('fails with code 1002 for bad text') ? 1002 : 1007)
      return
    }
    if (fin) this.#message = undefined
    if (fin) this.#echo(kind, whole)
    else if (this.#has('sends fragments as messages')) this.#echo(kind, payload)
  }

  #checkEarly(opcode: number, begun: Uint8Array): void {
    const kind = opcode === 0 ? (this.#message?.opcode ?? TEXT) : opcode
    const before = opcode === 0 ? (this.#message?.parts ?? []) : []
    if (kind === TEXT && this.#isBadText(kind, join([...before, begun]), false)) this.#fail(1007)
  }

  #isBadText(kind: number, bytes: Uint8Array, complete: boolean): boolean {
    if (this.#has('does not validate UTF-8')) return false
    if (kind !== TEXT && !this.#has('validates binary')) return false
    if (this.#has('validates UTF-8 at the end of the message') && !complete) return false
    const invalid = firstInvalidByte(bytes)
    if (invalid === undefined) return this.#has('refuses noncharacters') && hasNoncharacter(bytes)
    if (invalid === bytes.length) return complete || this.#has('validates UTF-8 frame by frame')
    const lead = bytes[invalid - 1]
    if (this.#has('accepts surrogates') && lead === 0xed) return false
    if (this.#has('accepts overlong encodings') && (lead === 0xe0 || lead === 0xf0)) return false
    return true
  }

  #echo(kind: number, whole: Uint8Array): void {
    if (this.#has('loses empty messages') && whole.length === 0) return
    const bytes =
      this.#has('strips byte order marks') && whole[0] === 0xef && whole[1] === 0xbb
        ? whole.subarray(3)
        : whole
    const opcode = this.#has('echoes text as binary') ? BINARY : kind === TEXT ? TEXT : BINARY
    this.#output.push(
      this.#peer.frame(opcode, bytes, {
        ...(this.#has('masks wrongly') ? { wronglyMasked: true } : {}),
        ...(this.#has('uses one masking key') ? { key: [1, 2, 3, 4] as const } : {}),
        ...(this.#has('sends lengths that are not minimal') ? { lengthBytes: 8 as const } : {}),
      }),
    )
    for (const payload of this.#latePings.splice(0)) this.#output.push(this.#peer.pong(payload))
  }

  #fail(code: number): void {
    if (this.state === 'open') this.#output.push(this.#peer.close(code))
    this.state = 'failed'
  }
}

function hasNoncharacter(bytes: Uint8Array): boolean {
  return [...new TextDecoder().decode(bytes)].some((character) => {
    const point = character.codePointAt(0)!
    return (point & 0xfffe) === 0xfffe || (point >= 0xfdd0 && point <= 0xfdef)
  })
}

/** Make endpoints with these flaws, or without any. */
export function naiveEndpoint(...flaws: Flaw[]): EndpointFactory {
  return (role) => new NaiveEndpoint(role, flaws)
}
