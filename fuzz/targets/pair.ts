// Invariant: a client and a server that do anything at all, over a line that cuts and delays, deliver every message in
// order and reach `closed`, and agree on who said what when closing.
// Input: chunk plan (2 bytes), then actions: what and who (1), how much (1).

import { engine } from '../../src/kernel/engine.ts'
import { createJavaScriptKernel } from '../../src/protocol/kernel.ts'
import { Protocol, type Role } from '../../src/protocol/protocol.ts'
import { concat, InputReader, toHex } from '../bytes.ts'
import { cut } from '../chunker.ts'
import { SlowOutput } from '../output.ts'
import { check, checkEqual, type Target } from '../target.ts'

const SIZES = [0, 1, 2, 63, 64, 125, 126, 127, 1000, 65_535, 65_536, 70_000]
const TEXTS = [
  '',
  'a',
  'é',
  '中文',
  '𝄞',
  '\ud800',
  'x\udc00y',
  'ä'.repeat(100),
  'x'.repeat(126),
  '中'.repeat(6000),
]
const CODES = [1000, 1001, 1005, 1011, 3000, 4999]

const kernel = createJavaScriptKernel(4096)

/** One end, what it sent and what it was told. */
class End {
  readonly protocol: Protocol
  readonly output = new SlowOutput(false)
  readonly sent: string[] = []
  readonly received: string[] = []
  readonly pingsSent: string[] = []
  readonly pingsReceived: string[] = []
  readonly pongsReceived: string[] = []
  isPaused = false
  closes = 0
  /** Whose close came first, as this end sees it. */
  began: 'local' | 'remote' | undefined
  /** Written by the peer, not yet delivered. */
  line: Uint8Array[] = []

  constructor(role: Role) {
    this.protocol = new Protocol({
      role,
      kernel,
      platform: engine.platform,
      limits: { maxMessageSize: 100_000, maxStreamSize: 100_000, maxFragments: 1 },
      output: this.output,
      maskingKeys: engine.maskingKeys,
      handler: {
        onMessage: (message) => this.received.push(typeof message === 'string' ? message : toHex(message)),
        onPing: (payload) => this.pingsReceived.push(toHex(payload)),
        onPong: (payload) => this.pongsReceived.push(toHex(payload)),
        onClose: () => {
          this.closes++
          this.began ??= 'remote'
        },
        onFailure: (error) => {
          throw error
        },
      },
    })
  }

  get isOpen(): boolean {
    return this.protocol.state === 'open'
  }

  close(code: number, reason: string): void {
    this.began ??= 'local'
    this.protocol.sendClose(code, reason)
  }
}

export const pair: Target = {
  name: 'pair',

  generate(random) {
    const plan = random.below(0x10000)
    return concat([[plan >> 8, plan & 0xff], random.bytes(2 * random.between(1, 60))])
  },

  run(input) {
    const reader = new InputReader(input)
    const plan = reader.uint16()
    const client = new End('client')
    const server = new End('server')
    const acts: string[] = []
    while (!reader.isDone) {
      const act = reader.byte()
      const amount = reader.byte()
      const [end, peer] = (act & 0x80) === 0 ? [client, server] : [server, client]
      acts.push(perform(act & 0x0f, amount, plan, end, peer))
    }

    // Whatever they did, a close brings it to its end.
    client.close(1000, 'at last')
    for (let turns = 0; turns < 6; turns++) {
      for (const [end, peer] of [
        [client, server],
        [server, client],
      ] as const) {
        end.isPaused = false
        end.output.isBackedUp = false
        end.protocol.resume()
        end.protocol.outputDrained()
        transmit(peer, end, plan)
        deliver(end, Number.POSITIVE_INFINITY)
      }
    }
    checkAgreement(client, server)
    checkAgreement(server, client)
    const local = [client, server].filter(({ protocol }) => protocol.beganBy === 'local').length
    check(local >= 1, 'nobody began to close')
    return `${client.protocol.beganBy} ${server.protocol.beganBy} ${client.protocol.received?.code} ${[...new Set(acts)].sort().join(' ')}`
  },
}

function perform(act: number, amount: number, plan: number, end: End, peer: End): string {
  const { protocol } = end
  switch (act) {
    case 0:
    case 1: {
      const text = TEXTS[amount % TEXTS.length]!
      if (end.isOpen) end.sent.push(Buffer.from(text).toString())
      protocol.sendText(text)
      return 'text'
    }
    case 2:
    case 3: {
      const bytes = new Uint8Array(SIZES[amount % SIZES.length]!).fill(amount)
      if (end.isOpen) end.sent.push(toHex(bytes))
      protocol.sendBytes(bytes)
      return 'binary'
    }
    case 4: {
      const payload = new Uint8Array(amount % 126).fill(amount)
      if (end.isOpen) end.pingsSent.push(toHex(payload))
      protocol.sendPing(payload)
      return 'ping'
    }
    case 5: {
      // Most runs should do something before they close.
      if (amount % 4 !== 0) return ''
      const code = CODES[(amount >> 2) % CODES.length]!
      // Code 1005 stands for a close frame without a payload.
      end.close(code, amount % 8 === 0 && code !== 1005 ? 'bye' : '')
      return 'close'
    }
    case 6:
      end.isPaused = true
      protocol.pause()
      return 'pause'
    case 7:
      end.isPaused = false
      protocol.resume()
      return 'resume'
    case 8:
      end.output.isBackedUp = true
      return 'slow'
    case 9:
      end.output.isBackedUp = false
      protocol.outputDrained()
      return 'drained'
    case 10:
    case 11:
    case 12:
      transmit(end, peer, plan + amount)
      return ''
    default:
      deliver(end, 1 + (amount & 15))
      return ''
  }
}

/** Put what an end wrote on the line, in chunks. */
function transmit(from: End, to: End, plan: number): void {
  for (const chunk of cut(from.output.takeOutput(), plan & 0xffff)) to.line.push(chunk)
}

function deliver(end: End, most: number): void {
  for (const chunk of end.line.splice(0, most)) end.protocol.receiveData(chunk)
}

function checkAgreement(end: End, peer: End): void {
  const { protocol } = end
  const who = protocol.role
  check(protocol.state === 'closed', () => `the ${who} is ${protocol.state}`)
  check(end.closes === 1, () => `the ${who} was told ${end.closes} times of a close`)
  checkEqual(end.received, peer.sent, `messages to the ${who}`)
  checkEqual(end.pingsReceived, peer.pingsSent, `pings to the ${who}`)
  checkEqual(
    [JSON.stringify(protocol.received)],
    [JSON.stringify(peer.protocol.sent)],
    `the close to the ${who}`,
  )
  check(!protocol.hasBacklog, () => `the ${who} has bytes left`)
  check(
    protocol.beganBy === end.began,
    () => `the ${who} says that ${protocol.beganBy} began, not ${end.began}`,
  )
  if (protocol.beganBy === 'remote') check(peer.protocol.beganBy === 'local', 'both say the other began')
  // RFC 6455 section 5.5.3 lets pongs be left out, but not be made up or change places.
  let position = 0
  for (const pong of end.pongsReceived) {
    position = end.pingsSent.indexOf(pong, position) + 1
    check(position > 0, () => `the ${who} got a pong that answers no ping`)
  }
}
