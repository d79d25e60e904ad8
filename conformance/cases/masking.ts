// Group 11: masking. Clients mask every frame and servers none (RFC 6455 section 5.1).

import { BOTH, type Case } from '../case.ts'
import { BINARY, CLOSE, CONTINUATION, type FrameOptions, PING, PONG, TEXT } from '../codec.ts'
import {
  answered,
  awaitReplies,
  binary,
  failed,
  fromHex,
  letters,
  NOTHING,
  pattern,
  refused,
  send,
  text,
} from './scripts.ts'

const KINDS = [
  { name: 'text', opcode: TEXT, payload: letters(12) },
  { name: 'empty text', opcode: TEXT, payload: NOTHING },
  { name: 'binary', opcode: BINARY, payload: pattern(300) },
  { name: 'ping', opcode: PING, payload: letters(5) },
  { name: 'empty ping', opcode: PING, payload: NOTHING },
  { name: 'pong', opcode: PONG, payload: letters(5) },
  { name: 'close', opcode: CLOSE, payload: fromHex('03 e8') },
  { name: 'empty close', opcode: CLOSE, payload: NOTHING },
  { name: 'continuation', opcode: CONTINUATION, payload: letters(12) },
]

const zero: FrameOptions['key'] = [0, 0, 0, 0]

const wrong: readonly Case[] = KINDS.map(({ name, opcode, payload }, index) => ({
  id: `11.1.${index + 1}`,
  title: `${name}, unmasked from a client or masked from a server`,
  section: '5.1',
  roles: BOTH,
  variants(peer) {
    const before = opcode === CONTINUATION ? [peer.text('begun, ', { fin: false })] : []
    const frame = peer.frame(opcode, payload, { wronglyMasked: true })
    const withZeroKey = peer.frame(opcode, payload, { wronglyMasked: true, key: zero })
    return [
      refused([...before, frame], failed(), { name: 'alone' }),
      refused([...before, withZeroKey], failed(), { name: 'with the masking key 0, if any' }),
      refused(
        [peer.text('fine'), awaitReplies(1), send(...before, frame, peer.ping('late'), peer.text('late'))],
        failed(),
        { name: 'after a text, before a ping and a text', replies: [text('fine')] },
      ),
    ]
  },
}))

const KEYS: readonly NonNullable<FrameOptions['key']>[] = [
  [0, 0, 0, 0],
  [0xff, 0xff, 0xff, 0xff],
  [1, 2, 3, 4],
  [0x80, 0, 0, 0],
  [0, 0, 0, 0xff],
  [0x7f, 0x80, 0x81, 0xfe],
]

const keys: readonly Case[] = KEYS.flatMap((key, index): Case[] => [
  {
    id: `11.2.${index + 1}`,
    title: `masking key ${Buffer.from(key).toString('hex')}, payloads of 0 to 70 bytes`,
    section: '5.3',
    roles: ['server'],
    variants(peer) {
      const payloads = Array.from({ length: 71 }, (_, size) => pattern(size))
      const frames = payloads.map((payload) => peer.binary(payload, { key }))
      return [
        answered(peer, frames, payloads.map(binary), 'frame by frame'),
        answered(peer, [send(...frames)], payloads.map(binary), 'in one piece'),
      ]
    },
  },
  {
    id: `11.3.${index + 1}`,
    title: `masking key ${Buffer.from(key).toString('hex')}, text of 2, 3 and 4 byte characters`,
    section: '5.3',
    roles: ['server'],
    variants(peer) {
      const payloads = ['é€😀', 'aé€😀', 'abé€😀', 'abcé€😀'].flatMap((start) => [start, start.repeat(50)])
      const frames = payloads.map((payload) => peer.text(payload, { key }))
      return [answered(peer, frames, payloads.map(text))]
    },
  },
])

export const masking: readonly Case[] = [...wrong, ...keys]
