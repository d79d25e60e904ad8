// Group 12: the encoding of lengths: more bytes than needed, the bit that must be 0, and lengths beyond all limits.

import { BOTH, type Case } from '../case.ts'
import { BINARY, bytesOf, CLOSE, PING, PONG, TEXT } from '../codec.ts'
import {
  answered,
  awaitReplies,
  binary,
  clean,
  failed,
  failureDue,
  fromHex,
  letters,
  pattern,
  pong,
  refused,
  send,
  text,
} from './scripts.ts'

// RFC 6455 section 5.2: "the minimal number of bytes MUST be used to encode the length". It binds the sender, and
// leaves open what a receiver does; this library refuses.
const DATA = [
  { size: 0, lengthBytes: 2 },
  { size: 1, lengthBytes: 2 },
  { size: 125, lengthBytes: 2 },
  { size: 0, lengthBytes: 8 },
  { size: 1, lengthBytes: 8 },
  { size: 125, lengthBytes: 8 },
  { size: 126, lengthBytes: 8 },
  { size: 65535, lengthBytes: 8 },
] as const

const data: readonly Case[] = DATA.flatMap(({ size, lengthBytes }, index): Case[] => [
  {
    id: `12.1.${index + 1}`,
    title: `text and binary of ${size} bytes with a length of ${lengthBytes * 8} bits`,
    section: '5.2',
    roles: BOTH,
    variants(peer) {
      const close = send(peer.close(1000))
      return [
        refused([peer.text(letters(size), { lengthBytes }), failureDue, close], failed(), {
          name: 'text',
          allowed: [{ replies: [text(letters(size))], end: clean() }],
        }),
        refused([peer.binary(pattern(size), { lengthBytes }), failureDue, close], failed(), {
          name: 'binary',
          allowed: [{ replies: [binary(pattern(size))], end: clean() }],
        }),
        refused(
          [
            peer.text('a', { fin: false }),
            peer.continuation(letters(size), { lengthBytes }),
            failureDue,
            close,
          ],
          failed(),
          {
            name: 'continuation',
            allowed: [{ replies: [text(Uint8Array.of(0x61, ...letters(size)))], end: clean() }],
          },
        ),
      ]
    },
  },
])

const CONTROL = [
  { name: 'ping', opcode: PING, payload: letters(5), reply: [pong(letters(5))], end: clean() },
  { name: 'pong', opcode: PONG, payload: letters(5), reply: [], end: clean() },
  { name: 'close', opcode: CLOSE, payload: fromHex('03 e8'), reply: [], end: clean() },
]

const control: readonly Case[] = CONTROL.flatMap(({ name, opcode, payload, reply, end }, index) =>
  ([2, 8] as const).map(
    (lengthBytes, nth): Case => ({
      id: `12.2.${2 * index + nth + 1}`,
      title: `${name} with a length of ${lengthBytes * 8} bits`,
      section: '5.2, 5.5',
      roles: BOTH,
      variants(peer) {
        const frame = peer.frame(opcode, payload, { lengthBytes })
        const rest = opcode === CLOSE ? [] : [failureDue, send(peer.close(1000))]
        return [refused([frame, ...rest], failed(), { allowed: [{ replies: reply, end }] })]
      },
    }),
  ),
)

const MOST_SIGNIFICANT = 1n << 63n

const signed: readonly Case[] = [
  { announced: MOST_SIGNIFICANT, size: 0 },
  { announced: MOST_SIGNIFICANT | 5n, size: 5 },
  { announced: MOST_SIGNIFICANT | 65536n, size: 65536 },
  { announced: (1n << 64n) - 1n, size: 5 },
].map(({ announced, size }, index) => ({
  id: `12.3.${index + 1}`,
  title: `length 0x${announced.toString(16)}, whose most significant bit must be 0`,
  section: '5.2',
  roles: BOTH,
  variants(peer) {
    return [TEXT, BINARY, PING].map((opcode) =>
      refused(
        [peer.frame(opcode, letters(size), { lengthBytes: 8, announced }), peer.ping('late')],
        failed(1002, [1009]),
        {
          name: opcode === TEXT ? 'text' : opcode === BINARY ? 'binary' : 'ping',
        },
      ),
    )
  },
}))

// The low 32 bits alone would make a small message: an endpoint that loses the high ones answers it.
const huge: readonly Case[] = [1n << 32n, 1n << 40n, 1n << 52n, 1n << 53n, 1n << 62n].flatMap((high, index) =>
  [high | 5n, high].map(
    (announced, nth): Case => ({
      id: `12.4.${2 * index + nth + 1}`,
      title: `length ${announced}, which no endpoint takes`,
      section: '5.2, 10.4',
      roles: BOTH,
      variants(peer) {
        const sent = bytesOf(nth === 0 ? 'Hello' : '')
        return [TEXT, BINARY].map((opcode) =>
          refused(
            [send(peer.frame(opcode, sent, { lengthBytes: 8, announced })), failureDue, send(letters(40))],
            failed(1009, [1002, 1008, 1011]),
            {
              name: opcode === TEXT ? 'text' : 'binary',
              // RFC 6455 has no limits: an endpoint may wait for the rest.
              allowed: [{ replies: [], end: { kind: 'silent' } }],
            },
          ),
        )
      },
    }),
  ),
)

const fine: readonly Case[] = [
  {
    id: '12.5.1',
    title: 'shortest and longest payload of each encoding, in one conversation',
    section: '5.2',
    roles: BOTH,
    variants(peer) {
      const payloads = [0, 125, 126, 65535, 65536].map(pattern)
      return [
        answered(
          peer,
          payloads.flatMap((payload, index) => [peer.binary(payload), awaitReplies(index + 1)]),
          payloads.map(binary),
        ),
      ]
    },
  },
]

export const lengths: readonly Case[] = [...data, ...control, ...signed, ...huge, ...fine]
