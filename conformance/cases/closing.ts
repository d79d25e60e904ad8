// Group 7: the closing handshake, close codes and close reasons.

import { BOTH, type Case, type Outcome, type Variant } from '../case.ts'
import { BINARY, bytesOf, CLOSE, join, type Peer, TEXT } from '../codec.ts'
import {
  awaitReplies,
  clean,
  failed,
  fromHex,
  letters,
  optional,
  pattern,
  refused,
  send,
  sendChopped,
  text,
} from './scripts.ts'
import { SEQUENCES } from './utf8.ts'

function closes(
  frames: readonly Uint8Array[],
  code: number,
  name = 'plain',
  allowed: readonly Outcome[] = [],
): Variant {
  return { name, steps: [send(...frames)], required: { replies: [], end: clean(code) }, allowed }
}

function closingCase(
  id: string,
  title: string,
  variants: (peer: Peer) => Variant[],
  section = '5.5.1',
): Case {
  return { id, title, section, roles: BOTH, variants }
}

// RFC 6455 section 1.4: after a close frame "any further data" is discarded.
const order: readonly Case[] = [
  closingCase('7.1.1', 'text, then close', (peer) => [
    {
      name: 'after the answer',
      steps: [send(peer.text('Hello')), awaitReplies(1), send(peer.close(1000))],
      required: { replies: [text('Hello')], end: clean() },
    },
    {
      name: 'in one piece',
      steps: [send(peer.text('Hello'), peer.close(1000))],
      required: { replies: [optional(text('Hello'))], end: clean() },
    },
  ]),
  closingCase('7.1.2', 'two close frames', (peer) => [
    closes([peer.close(1000), peer.close(1001)], 1000),
    closes([peer.close(1000), peer.close()], 1000, 'the second one empty'),
    closes([peer.close(), peer.close(1000)], 1005, 'the first one empty'),
  ]),
  closingCase('7.1.3', 'close, then ping', (peer) => [
    closes([peer.close(1000), peer.ping('late')], 1000),
    {
      name: 'in chops of 1',
      steps: [sendChopped(1, peer.close(1000), peer.ping('late'))],
      required: { replies: [], end: clean() },
    },
  ]),
  closingCase('7.1.4', 'close, then text', (peer) => [
    closes([peer.close(1000), peer.text('late')], 1000),
    closes([peer.close(1000), peer.binary(pattern(300))], 1000, 'close, then binary'),
    closes([peer.close(3000, 'bye'), peer.text('la', { fin: false })], 3000, 'close, then a fragment'),
  ]),
  closingCase('7.1.5', 'close inside a fragmented text, then the rest of it', (peer) => [
    closes([peer.text('a', { fin: false }), peer.close(1000), peer.continuation('b')], 1000),
  ]),
  closingCase('7.1.6', 'text of 256 KiB, then close, then ping', (peer) => [
    {
      name: 'plain',
      steps: [send(peer.text(letters(262_144)), peer.close(1000), peer.ping('late'))],
      required: { replies: [optional(text(letters(262_144)))], end: clean() },
    },
  ]),
  closingCase('7.1.7', 'close, then bytes that are no frames', (peer) => [
    closes([peer.close(1000), fromHex('ff ff ff ff ff ff ff ff ff ff')], 1000),
    closes([peer.close(1000), peer.frame(0xb, letters(3)), peer.text(fromHex('ff'))], 1000, 'wrong frames'),
  ]),
  closingCase('7.1.8', 'invalid frame, then close', (peer) => [
    refused([send(peer.frame(0x3, letters(3)), peer.close(1000))], failed()),
  ]),
]

const payloads: readonly Case[] = [
  closingCase('7.3.1', 'close without payload', (peer) => [closes([peer.close()], 1005)]),
  closingCase('7.3.2', 'close with 1 byte', (peer) => [
    refused([peer.frame(CLOSE, fromHex('03'))], failed(), { name: '03' }),
    refused([peer.frame(CLOSE, fromHex('00'))], failed(), { name: '00' }),
    refused([send(peer.frame(CLOSE, fromHex('03')), peer.ping('late'))], failed(), { name: 'before a ping' }),
  ]),
  closingCase('7.3.3', 'close with a code', (peer) => [closes([peer.close(1000)], 1000)]),
  closingCase('7.3.4', 'close with a code and a reason', (peer) => [
    closes([peer.close(1000, 'Hello World!')], 1000),
    closes([peer.close(1001, 'Grüße, κόσμε, 你好, 😀')], 1001, 'reason with characters of 2 to 4 bytes'),
    closes([peer.close(1000, fromHex('00 ef bb bf ef bf be'))], 1000, 'NUL, byte order mark, noncharacter'),
  ]),
  closingCase('7.3.5', 'close with reasons of 1 to 123 bytes', (peer) =>
    Array.from({ length: 123 }, (_, index) =>
      closes([peer.close(1000, letters(index + 1))], 1000, `${index + 1} bytes`),
    ),
  ),
  closingCase('7.3.6', 'close with a reason above 123 bytes', (peer) =>
    [124, 125, 126, 300].map((size) =>
      refused([peer.close(1000, letters(size))], failed(), { name: `${size} bytes` }),
    ),
  ),
  closingCase('7.3.7', 'close with a reason of 65536 bytes', (peer) => [
    refused([peer.close(1000, letters(65536))], failed()),
  ]),
]

const reasons: readonly Case[] = SEQUENCES.map(({ title, valid, sequences }, index) =>
  closingCase(
    `7.5.${index + 1}`,
    `close reason: ${title}`,
    (peer) =>
      sequences
        .map(fromHex)
        .filter(({ length }) => length <= 123)
        .map((bytes) => {
          const name = Buffer.from(bytes).toString('hex')
          const frame = peer.close(1000, bytes)
          return valid ? closes([frame], 1000, name) : refused([frame], failed(1007, [1002]), { name })
        }),
    '5.5.1, 8.1',
  ),
)

const moreReasons: readonly Case[] = [
  closingCase(
    '7.5.40',
    'invalid close reason behind a valid beginning',
    (peer) => [
      refused(
        [peer.close(1000, join([bytesOf('κόσμε'), fromHex('ed a0 80'), bytesOf('edited')]))],
        failed(1007, [1002]),
      ),
      refused([peer.close(1000, join([letters(122), fromHex('c3')]))], failed(1007, [1002]), {
        name: 'cut at 123 bytes',
      }),
    ],
    '5.5.1, 8.1',
  ),
]

interface Codes {
  readonly id: string
  readonly title: string
  readonly codes: readonly number[]
  readonly variants: (peer: Peer, code: number) => Variant[]
}

/** Send a code alone, with a reason, and chopped. */
function acceptedCode(peer: Peer, code: number, allowed: readonly Outcome[] = []): Variant[] {
  return [
    closes([peer.close(code)], code, 'without reason', allowed),
    closes([peer.close(code, 'because')], code, 'with reason', allowed),
  ]
}

function refusedCode(peer: Peer, code: number, allowed: readonly Outcome[] = []): Variant[] {
  return [
    refused([peer.close(code)], failed(), { name: 'without reason', allowed }),
    refused([peer.close(code, 'because')], failed(), { name: 'with reason', allowed }),
    refused([send(peer.close(code), peer.ping('late'))], failed(), { name: 'before a ping', allowed }),
  ]
}

const CODES: readonly Codes[] = [
  {
    id: '7.7',
    title: 'is defined by RFC 6455',
    codes: [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011],
    variants: acceptedCode,
  },
  {
    id: '7.8',
    title: 'is registered with IANA since RFC 6455',
    codes: [1012, 1013, 1014],
    // RFC 6455 alone does not know them, and an endpoint that judges by it may refuse them.
    variants: (peer, code) => acceptedCode(peer, code, [{ replies: [], end: failed() }]),
  },
  {
    id: '7.9',
    title: 'is for libraries, frameworks and applications',
    codes: [3000, 3001, 3499, 3998, 3999, 4000, 4001, 4500, 4998, 4999],
    variants: acceptedCode,
  },
  {
    id: '7.10',
    title: 'must not stand in a close frame',
    codes: [0, 1, 2, 125, 126, 255, 256, 999, 1005, 1006, 1015],
    variants: refusedCode,
  },
  {
    id: '7.11',
    title: 'is reserved and not defined',
    codes: [1004, 1016, 1017, 1099, 1100, 1999, 2000, 2001, 2500, 2998, 2999],
    // RFC 6455 section 7.4.2 reserves them for its revisions: it does not say what a receiver does.
    variants: (peer, code) => refusedCode(peer, code, [{ replies: [], end: clean(code) }]),
  },
  {
    id: '7.13',
    title: 'lies beyond every range of RFC 6455',
    codes: [5000, 5001, 6000, 9999, 32767, 32768, 65534, 65535],
    variants: (peer, code) => refusedCode(peer, code, [{ replies: [], end: clean(code) }]),
  },
]

const codes: readonly Case[] = CODES.flatMap((group) =>
  group.codes.map((code, index) =>
    closingCase(
      `${group.id}.${index + 1}`,
      `close code ${code} ${group.title}`,
      (peer) => group.variants(peer, code),
      '7.4',
    ),
  ),
)

const after: readonly Case[] = [
  closingCase('7.14.1', 'close after messages of each kind', (peer) => [
    {
      name: 'plain',
      steps: [
        send(...peer.fragments(TEXT, letters(30), 7), ...peer.fragments(BINARY, pattern(30), 7)),
        awaitReplies(2),
        send(peer.close(4321, 'done')),
      ],
      required: { replies: [text(letters(30)), { kind: 'binary', payload: pattern(30) }], end: clean(4321) },
    },
  ]),
]

export const closing: readonly Case[] = [
  ...order,
  ...payloads,
  ...reasons,
  ...moreReasons,
  ...codes,
  ...after,
]
