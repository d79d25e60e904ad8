// Group 6: text must be UTF-8 (RFC 6455 section 8.1). The sequences are those of Markus Kuhn's decoder stress
// test, https://www.cl.cam.ac.uk/~mgk25/ucs/examples/UTF-8-test.txt, and the bounds of RFC 3629 section 4.

import { BOTH, type Case, type Variant } from '../case.ts'
import { BINARY, bytesOf, join, type Peer, TEXT } from '../codec.ts'
import { firstInvalidByte } from '../utf8.ts'
import {
  answered,
  awaitReplies,
  binary,
  failed,
  failureDue,
  fromHex,
  letters,
  pong,
  refused,
  send,
  sendChopped,
  text,
} from './scripts.ts'

/** A group of byte sequences that are all valid, or none of them. */
export interface Sequences {
  readonly title: string
  readonly valid: boolean
  readonly sequences: readonly string[]
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}

function hexOf(...bytes: number[]): string {
  return Buffer.from(bytes).toString('hex')
}

// "κόσμε" of the stress test, with its oxia.
const KOSME = 'ce ba e1 bd b9 cf 83 ce bc ce b5'
const kosme = fromHex(KOSME)

/** How many bytes of KOSME are whole characters. */
const WHOLE_PREFIXES = [2, 5, 7, 9, 11]

const lonelyStarts = [
  range(0xc0, 0xdf),
  range(0xe0, 0xef),
  range(0xf0, 0xf7),
  range(0xf8, 0xfb),
  [0xfc, 0xfd],
]

const cutSequences = [
  'c0',
  'e0 80',
  'f0 80 80',
  'f8 80 80 80',
  'fc 80 80 80 80',
  'df',
  'ef bf',
  'f7 bf bf',
  'fb bf bf bf',
  'fd bf bf bf bf',
]

const planes = range(1, 16).flatMap((plane) => [(plane << 16) | 0xfffe, (plane << 16) | 0xffff])

export const SEQUENCES: readonly Sequences[] = [
  {
    title: 'correct text',
    valid: true,
    sequences: [
      KOSME,
      '24',
      'c2 a2',
      'e2 82 ac',
      'f0 a4 ad a2',
      'f0 9f 98 80 e2 9c 93 c3 a9',
      '00',
      'e4 bd a0 e5 a5 bd',
    ],
  },
  {
    title: 'prefixes that end with a character',
    valid: true,
    sequences: WHOLE_PREFIXES.map((length) => hexOf(...kosme.subarray(0, length))),
  },
  {
    title: 'prefixes that end inside a character',
    valid: false,
    sequences: range(1, 11)
      .filter((length) => !WHOLE_PREFIXES.includes(length))
      .map((length) => hexOf(...kosme.subarray(0, length))),
  },
  {
    title: 'first sequence of each length',
    valid: true,
    sequences: ['00', 'c2 80', 'e0 a0 80', 'f0 90 80 80'],
  },
  {
    title: 'first sequence of five and six bytes',
    valid: false,
    sequences: ['f8 88 80 80 80', 'fc 84 80 80 80 80'],
  },
  {
    title: 'last sequence of each length',
    valid: true,
    sequences: ['7f', 'df bf', 'ef bf bf', 'f4 8f bf bf'],
  },
  {
    title: 'last sequence of each length, beyond Unicode',
    valid: false,
    sequences: ['f7 bf bf bf', 'fb bf bf bf bf', 'fd bf bf bf bf bf'],
  },
  {
    title: 'other bounds',
    valid: true,
    sequences: [
      'ed 9f bf',
      'ee 80 80',
      'ef bf bd',
      'f4 8f bf bf',
      'f0 9f bf bf',
      'f3 bf bf bf',
      'f1 80 80 80',
      'f4 80 80 80',
      'e0 bf bf',
      'e1 80 80',
      'ec bf bf',
      'ef 80 80',
    ],
  },
  {
    title: 'just beyond the last code point',
    valid: false,
    sequences: ['f4 90 80 80', 'f4 bf bf bf', 'f5 80 80 80', 'f6 80 80 80', 'f7 80 80 80'],
  },
  {
    title: 'unexpected continuation bytes',
    valid: false,
    sequences: [
      ...['80', 'bf'],
      ...range(2, 7).map((count) => '80bf80bf80bf80'.slice(0, 2 * count)),
      hexOf(...range(0x80, 0xbf)),
    ],
  },
  {
    title: 'start bytes, each followed by a space',
    valid: false,
    sequences: [
      ...lonelyStarts.map((starts) => hexOf(...starts.flatMap((start) => [start, 0x20]))),
      ...lonelyStarts.flat().map((start) => hexOf(start, 0x20)),
    ],
  },
  { title: 'last continuation byte is missing', valid: false, sequences: cutSequences },
  { title: 'all of those together', valid: false, sequences: [cutSequences.join('')] },
  { title: 'impossible bytes', valid: false, sequences: ['fe', 'ff', 'fe fe ff ff'] },
  {
    title: 'overlong encodings of the slash',
    valid: false,
    sequences: ['c0 af', 'e0 80 af', 'f0 80 80 af', 'f8 80 80 80 af', 'fc 80 80 80 80 af'],
  },
  {
    title: 'longest overlong encodings',
    valid: false,
    sequences: ['c1 bf', 'e0 9f bf', 'f0 8f bf bf', 'f8 87 bf bf bf', 'fc 83 bf bf bf bf'],
  },
  {
    title: 'overlong encodings of NUL',
    valid: false,
    sequences: ['c0 80', 'e0 80 80', 'f0 80 80 80', 'f8 80 80 80 80', 'fc 80 80 80 80 80'],
  },
  {
    title: 'single surrogates',
    valid: false,
    sequences: ['ed a0 80', 'ed ad bf', 'ed ae 80', 'ed af bf', 'ed b0 80', 'ed be 80', 'ed bf bf'],
  },
  {
    title: 'paired surrogates',
    valid: false,
    sequences: [
      'ed a0 80 ed b0 80',
      'ed a0 80 ed bf bf',
      'ed ad bf ed b0 80',
      'ed ad bf ed bf bf',
      'ed ae 80 ed b0 80',
      'ed ae 80 ed bf bf',
      'ed af bf ed b0 80',
      'ed af bf ed bf bf',
    ],
  },
  {
    title: 'noncharacters, which are valid',
    valid: true,
    sequences: [
      'ef bf be',
      'ef bf bf',
      ...range(0xfdd0, 0xfdef).map((point) => hexOf(...bytesOf(String.fromCodePoint(point)))),
      ...planes.map((point) => hexOf(...bytesOf(String.fromCodePoint(point)))),
    ],
  },
  {
    title: 'byte order marks, which are text like any other',
    valid: true,
    sequences: ['ef bb bf', 'ef bb bf 61', 'ef bb bf ef bb bf', '61 ef bb bf'],
  },
  {
    title: 'wrong byte at each place of a character',
    valid: false,
    sequences: [
      'c3 41',
      'c3 c3 a9',
      'e2 41 ac',
      'e2 82 41',
      'e2 82 c2 80',
      'f0 41 ad a2',
      'f0 a4 41 a2',
      'f0 a4 ad 41',
    ],
  },
]

/** Cut into two frames at each place; for long sequences at some of them. */
function places(length: number): number[] {
  const all = range(0, length)
  return length <= 16 ? all : all.filter((at) => at % 7 === 1 || at > length - 3)
}

function twoFrames(peer: Peer, payload: Uint8Array, at: number): Uint8Array[] {
  return [peer.text(payload.subarray(0, at), { fin: false }), peer.continuation(payload.subarray(at))]
}

function accepted(peer: Peer, sequence: Uint8Array): Variant[] {
  const around = join([bytesOf('hello'), sequence, bytesOf('world')])
  const cuts = places(around.length)
  const shifted = range(1, 20).map((size) => join([letters(size), sequence, letters(40)]))
  return [
    answered(peer, [peer.text(sequence)], [text(sequence)], 'one frame'),
    answered(peer, [send(...peer.fragments(TEXT, sequence, 1))], [text(sequence)], 'frames of 1 byte'),
    answered(
      peer,
      cuts.flatMap((at) => twoFrames(peer, around, at)),
      cuts.map(() => text(around)),
      'inside ASCII, two frames, cut at every place',
    ),
    answered(
      peer,
      shifted.map((payload) => peer.text(payload)),
      shifted.map(text),
      'behind 1 to 20 ASCII letters',
    ),
  ]
}

function rejected(peer: Peer, sequence: Uint8Array): Variant[] {
  const bad = failed(1007)
  const variants = [
    refused([peer.text(sequence)], bad, { name: 'one frame' }),
    refused([send(...peer.fragments(TEXT, sequence, 1))], bad, { name: 'frames of 1 byte' }),
    refused([peer.text(join([letters(130), sequence]))], bad, { name: 'behind 130 ASCII letters' }),
    refused([send(peer.text(sequence), peer.text('late'), peer.ping())], bad, {
      name: 'before a text and a ping',
    }),
    refused([send(...twoFrames(peer, join([letters(7), sequence]), 7))], bad, {
      name: 'all in the second frame',
    }),
  ]
  for (const at of places(sequence.length)) {
    variants.push(refused(twoFrames(peer, sequence, at), bad, { name: `two frames, cut at ${at}` }))
  }
  const wrongByte = firstInvalidByte(sequence)!
  if (wrongByte < sequence.length) {
    variants.push(
      failFastFrames(peer, 'fail-fast, frames', sequence, wrongByte),
      failFastChops(peer, 'fail-fast, chops', sequence, wrongByte),
      failFastChops(peer, 'fail-fast, chops, behind ASCII', join([letters(130), sequence]), 130 + wrongByte),
    )
  }
  return variants
}

/** Send three frames: what is valid, the byte that makes it invalid, and the rest. */
function failFastFrames(peer: Peer, name: string, payload: Uint8Array, wrongByte: number): Variant {
  const rest = join([payload.subarray(wrongByte + 1), letters(6)])
  return refused(
    [
      send(peer.text(payload.subarray(0, wrongByte), { fin: false })),
      send(peer.continuation(payload.subarray(wrongByte, wrongByte + 1), { fin: false })),
      failureDue,
      send(peer.continuation(rest)),
    ],
    failed(1007),
    { name },
  )
}

/** The same in one frame that arrives in three pieces. */
function failFastChops(peer: Peer, name: string, payload: Uint8Array, wrongByte: number): Variant {
  const frame = peer.text(join([payload, letters(6)]))
  const wrongAt = frame.length - payload.length - 6 + wrongByte
  return refused(
    [
      send(frame.subarray(0, wrongAt)),
      send(frame.subarray(wrongAt, wrongAt + 1)),
      failureDue,
      send(frame.subarray(wrongAt + 1)),
    ],
    failed(1007),
    { name },
  )
}

function* kuhn(): Generator<Case> {
  for (const [index, { title, valid, sequences }] of SEQUENCES.entries()) {
    for (const [nth, digits] of sequences.entries()) {
      const sequence = fromHex(digits)
      const shown = sequence.length > 12 ? `${sequence.length} bytes` : Buffer.from(sequence).toString('hex')
      yield {
        id: `6.${index + 5}.${nth + 1}`,
        title: `${title}: ${shown}`,
        section: '5.6, 8.1',
        roles: BOTH,
        variants: (peer) => (valid ? accepted(peer, sequence) : rejected(peer, sequence)),
      }
    }
  }
}

function utf8Case(id: string, title: string, variants: (peer: Peer) => Variant[]): Case {
  return { id, title, section: '5.6, 8.1', roles: BOTH, variants }
}

const greeting = 'Hello-µ@ßöäüàá-UTF-8!!'
const beyondUnicode = join([kosme, fromHex('f4 90 80 80'), bytesOf('edited')])
const surrogate = join([kosme, fromHex('ed a0 80'), bytesOf('edited')])
const open = { fin: false } as const

const byHand: readonly Case[] = [
  utf8Case('6.1.1', 'empty text', (peer) => [answered(peer, [peer.text('')], [text('')])]),
  utf8Case('6.1.2', 'text of three empty fragments', (peer) => [
    answered(peer, [peer.text('', open), peer.continuation('', open), peer.continuation('')], [text('')]),
  ]),
  utf8Case('6.1.3', 'text of three fragments, the first and last of them empty', (peer) => [
    answered(
      peer,
      [peer.text('', open), peer.continuation('middle ✓', open), peer.continuation('')],
      [text('middle ✓')],
    ),
  ]),
  utf8Case('6.2.1', 'text with characters of two bytes', (peer) => [
    answered(peer, [peer.text(greeting)], [text(greeting)]),
  ]),
  utf8Case('6.2.2', 'the same in two fragments, cut between characters', (peer) => [
    answered(peer, [peer.text('Hello-µ@ßöä', open), peer.continuation('üàá-UTF-8!!')], [text(greeting)]),
  ]),
  utf8Case('6.2.3', 'the same in fragments of 1 byte', (peer) => [
    answered(peer, peer.fragments(TEXT, bytesOf(greeting), 1), [text(greeting)]),
  ]),
  utf8Case('6.2.4', 'the same in fragments of 1 byte with pongs between them', (peer) => [
    answered(
      peer,
      [send(...peer.fragments(TEXT, bytesOf(greeting), 1).flatMap((frame) => [frame, peer.pong('✓')]))],
      [text(greeting)],
    ),
  ]),
  utf8Case('6.2.5', 'ping inside a character that is cut between two frames', (peer) => [
    answered(
      peer,
      [
        peer.text(fromHex('f0 9f'), open),
        peer.ping('p'),
        awaitReplies(1),
        peer.continuation(fromHex('98 80')),
      ],
      [pong('p'), text('😀')],
    ),
  ]),
  utf8Case('6.2.6', 'characters of two, three and four bytes around 125, 65535 and 70000 bytes', (peer) => {
    const payloads = [41, 42, 21845, 21846, 23334].map((count) => '€'.repeat(count))
    payloads.push('é'.repeat(63), 'é'.repeat(32768), '😀'.repeat(32), '😀'.repeat(16384), 'a€'.repeat(17500))
    return [
      answered(
        peer,
        payloads.map((payload) => peer.text(payload)),
        payloads.map(text),
        'whole',
      ),
      answered(
        peer,
        payloads.map((payload) => sendChopped(1361, peer.text(payload))),
        payloads.map(text),
        'chopped',
      ),
    ]
  }),
  utf8Case('6.2.7', 'all code points, 4096 in a text', (peer) => {
    const payloads = range(0, 0x10ffff >> 12).map((block) =>
      range(block << 12, (block << 12) + 4095)
        .filter((point) => point < 0xd800 || point > 0xdfff)
        .map((point) => String.fromCodePoint(point))
        .join(''),
    )
    return [answered(peer, [send(...payloads.map((payload) => peer.text(payload)))], payloads.map(text))]
  }),
  utf8Case('6.3.1', 'a surrogate in the middle of a text', (peer) => [
    refused([peer.text(surrogate)], failed(1007)),
  ]),
  utf8Case('6.3.2', 'the same in fragments of 1 byte', (peer) => [
    refused([send(...peer.fragments(TEXT, surrogate, 1))], failed(1007)),
  ]),
  utf8Case('6.3.3', 'a character cut between two messages', (peer) => [
    refused([peer.text(fromHex('ce')), peer.text(fromHex('ba'))], failed(1007)),
    refused(
      [peer.text('a', open), peer.continuation(fromHex('ce')), peer.text(fromHex('ba'))],
      failed(1007),
      {
        name: 'the first in two frames',
      },
    ),
  ]),
  utf8Case('6.3.4', 'invalid text after valid ones', (peer) => [
    refused(
      [peer.text(kosme), peer.text('plain'), awaitReplies(2), peer.text(fromHex('c0 80'))],
      failed(1007),
      {
        replies: [text(kosme), text('plain')],
      },
    ),
  ]),
  utf8Case('6.3.5', 'one invalid byte at each of several places in 1000 ASCII letters', (peer) =>
    [0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 500, 996, 997, 998, 999].map((at) => {
      const payload = letters(1000).slice()
      payload[at] = 0xff
      return refused([peer.text(payload)], failed(1007), { name: `at ${at}` })
    }),
  ),
  utf8Case('6.3.6', 'one invalid byte at the end of a text of 1 MiB', (peer) => {
    const payload = letters(1 << 20).slice()
    payload[payload.length - 1] = 0xc3
    return [
      refused([peer.text(payload)], failed(1007), { name: 'one frame' }),
      refused([send(...peer.fragments(TEXT, payload, 4096))], failed(1007), {
        name: 'fragments of 4096 bytes',
      }),
    ]
  }),
  utf8Case(
    '6.4.1',
    'fail-fast: code point beyond Unicode, frames, the second with the whole sequence',
    (peer) => [
      refused(
        [
          peer.text(kosme, open),
          peer.continuation(fromHex('f4 90 80 80'), open),
          failureDue,
          peer.continuation('edited'),
        ],
        failed(1007),
      ),
    ],
  ),
  utf8Case('6.4.2', 'fail-fast: the same, the second frame ends with the byte that is wrong', (peer) => [
    failFastFrames(peer, 'plain', beyondUnicode, 12),
  ]),
  utf8Case('6.4.3', 'fail-fast: the same in chops of one frame', (peer) => {
    const frame = peer.text(beyondUnicode)
    const at = frame.length - beyondUnicode.length
    return [
      refused(
        [
          send(frame.subarray(0, at + 11)),
          send(frame.subarray(at + 11, at + 15)),
          failureDue,
          send(frame.subarray(at + 15)),
        ],
        failed(1007),
      ),
    ]
  }),
  utf8Case('6.4.4', 'fail-fast: the same, the second chop ends with the byte that is wrong', (peer) => [
    failFastChops(peer, 'plain', beyondUnicode, 12),
  ]),
  utf8Case('6.4.5', 'fail-fast: a text of 1 MiB is wrong after 4096 bytes', (peer) => {
    const payload = letters(1 << 20).slice()
    payload[4096] = 0xf8
    return [failFastChops(peer, 'one frame', payload, 4096), failFastFrames(peer, 'frames', payload, 4096)]
  }),
  utf8Case('6.4.6', 'fail-fast: a wrong byte, then a ping inside the message', (peer) => [
    refused(
      [
        peer.text('fine', open),
        peer.continuation(fromHex('c1'), open),
        failureDue,
        send(peer.ping(), peer.continuation('')),
      ],
      failed(1007),
      // A validator that waits for the end of the message answers the ping.
      { allowed: [{ replies: [pong()], end: failed(1007) }] },
    ),
  ]),
]

const elsewhere: readonly Case[] = SEQUENCES.filter(({ valid }) => !valid).map(
  ({ title, sequences }, index) => ({
    id: `6.40.${index + 1}`,
    title: `binary, ping and pong are not validated: ${title}`,
    section: '5.5.2, 5.6',
    roles: BOTH,
    variants(peer) {
      const all = sequences.map(fromHex)
      const short = all.filter(({ length }) => length <= 125)
      return [
        answered(
          peer,
          all.map((bytes) => peer.binary(bytes)),
          all.map(binary),
          'binary',
        ),
        answered(
          peer,
          all.flatMap((bytes) => peer.fragments(BINARY, bytes, 1)),
          all.map(binary),
          'binary in frames of 1 byte',
        ),
        ...short
          .slice(0, 3)
          .map((bytes, nth) =>
            answered(peer, [peer.pong(bytes), peer.ping(bytes)], [pong(bytes)], `ping and pong ${nth + 1}`),
          ),
      ]
    },
  }),
)

export const utf8: readonly Case[] = [...byHand, ...kuhn(), ...elsewhere]
