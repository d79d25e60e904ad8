// Group 5: messages in several frames, with control frames between them, and frames in the wrong order.

import { BOTH, type Case, type Variant } from '../case.ts'
import { BINARY, CLOSE, CONTINUATION, type Peer, PING, PONG, TEXT } from '../codec.ts'
import {
  answered,
  awaitReplies,
  binary,
  clean,
  failed,
  letters,
  NOTHING,
  pattern,
  pong,
  refused,
  send,
  sendChopped,
  text,
} from './scripts.ts'

type Content = (peer: Peer) => { frames: Uint8Array[]; replies: Variant['required']['replies'] }

const open = { fin: false } as const

/** Send well-formed frames in three ways: frame by frame, in one piece and byte by byte. */
function fine(id: string, title: string, content: Content, section = '5.4'): Case {
  return {
    id,
    title,
    section,
    roles: BOTH,
    variants(peer) {
      const { frames, replies } = content(peer)
      return [
        answered(peer, frames, replies, 'frame by frame'),
        answered(peer, [send(...frames)], replies, 'in one piece'),
        answered(peer, [sendChopped(1, ...frames)], replies, 'in chops of 1'),
      ]
    },
  }
}

/** Send frames of which one is wrong; only the replies may come back, and a ping at the end stays unanswered. */
function wrong(id: string, title: string, content: Content, section = '5.4'): Case {
  return {
    id,
    title,
    section,
    roles: BOTH,
    variants(peer) {
      const { frames, replies } = content(peer)
      const all = [...frames, peer.ping('late')]
      // Replies to what came before cannot be waited for when all frames are sent at once.
      const loose = replies.map((reply) => ({ ...reply, optional: true }))
      return [
        refused(all, failed(), { name: 'frame by frame', replies: loose }),
        refused([send(...all)], failed(), { name: 'in one piece', replies: loose }),
        refused([sendChopped(1, ...all)], failed(), { name: 'in chops of 1', replies: loose }),
      ]
    },
  }
}

const control = [
  { name: 'ping', opcode: PING },
  { name: 'pong', opcode: PONG },
  { name: 'close', opcode: CLOSE },
]

function* fragmentedControl(): Generator<Case> {
  for (const [index, { name, opcode }] of control.entries()) {
    yield wrong(
      `5.1.${index + 1}`,
      `${name} in two fragments`,
      (peer) => ({ frames: [peer.frame(opcode, letters(2), open), peer.continuation('rest')], replies: [] }),
      '5.4, 5.5',
    )
    yield wrong(
      `5.1.${index + 4}`,
      `empty ${name} without FIN`,
      (peer) => ({ frames: [peer.frame(opcode, NOTHING, open)], replies: [] }),
      '5.4, 5.5',
    )
    yield wrong(
      `5.1.${index + 7}`,
      `${name} without FIN inside a fragmented text`,
      (peer) => ({
        frames: [peer.text('begun', open), peer.frame(opcode, letters(2), open), peer.continuation('end')],
        replies: [],
      }),
      '5.4, 5.5',
    )
  }
}

const wellFormed: readonly Case[] = [
  fine('5.2.1', 'text in two fragments', (peer) => ({
    frames: [peer.text('fragment1', open), peer.continuation('fragment2')],
    replies: [text('fragment1fragment2')],
  })),
  fine('5.2.2', 'binary in two fragments', (peer) => ({
    frames: [peer.binary(pattern(10), open), peer.continuation(letters(10))],
    replies: [binary(Uint8Array.of(...pattern(10), ...letters(10)))],
  })),
  fine('5.2.3', 'text in two fragments with a ping between them', (peer) => ({
    frames: [peer.text('fragment1', open), peer.ping('ping'), peer.continuation('fragment2')],
    replies: [pong('ping'), text('fragment1fragment2')],
  })),
  {
    id: '5.2.4',
    title: 'ping between two fragments, answered before the message is complete',
    section: '5.4, 5.5.2',
    roles: BOTH,
    variants: (peer) => [
      answered(
        peer,
        [
          peer.text('fragment1', open),
          peer.ping('now'),
          awaitReplies(1),
          peer.continuation('fragment2', open),
          peer.ping('and now'),
          awaitReplies(2),
          peer.continuation('fragment3'),
        ],
        [pong('now'), pong('and now'), text('fragment1fragment2fragment3')],
      ),
    ],
  },
  fine('5.2.5', 'text in five fragments with two pings between them', (peer) => ({
    frames: [
      peer.text('fragment1', open),
      peer.continuation('fragment2', open),
      peer.ping('pongme 1'),
      peer.continuation('fragment3', open),
      peer.continuation('fragment4', open),
      peer.pong('unsolicited'),
      peer.continuation('fragment5'),
      peer.ping('pongme 2'),
    ],
    replies: [pong('pongme 1'), text('fragment1fragment2fragment3fragment4fragment5'), pong('pongme 2')],
  })),
  fine('5.2.6', 'two fragmented texts, one after the other', (peer) => ({
    frames: [peer.text('a', open), peer.continuation('b'), peer.text('c', open), peer.continuation('d')],
    replies: [text('ab'), text('cd')],
  })),
  fine('5.2.7', 'fragmented text, then fragmented binary, then single frames', (peer) => ({
    frames: [
      peer.text('a', open),
      peer.continuation('b'),
      peer.binary(pattern(3), open),
      peer.continuation(NOTHING),
      peer.text('single'),
      peer.binary(pattern(2)),
    ],
    replies: [text('ab'), binary(pattern(3)), text('single'), binary(pattern(2))],
  })),
  fine('5.2.8', 'fragments of which some are empty', (peer) => ({
    frames: [
      peer.text('', open),
      peer.continuation('a', open),
      peer.continuation('', open),
      peer.continuation('b', open),
      peer.continuation(''),
    ],
    replies: [text('ab')],
  })),
  fine('5.2.9', 'three empty binary fragments', (peer) => ({
    frames: [peer.binary(NOTHING, open), peer.continuation('', open), peer.continuation('')],
    replies: [binary(NOTHING)],
  })),
  fine('5.2.10', 'text in 300 fragments of 1 byte', (peer) => ({
    frames: peer.fragments(TEXT, letters(300), 1),
    replies: [text(letters(300))],
  })),
  fine('5.2.11', 'binary in 100 empty fragments around one byte', (peer) => ({
    frames: [
      peer.binary(NOTHING, open),
      ...Array.from({ length: 50 }, () => peer.continuation('', open)),
      peer.continuation('x', open),
      ...Array.from({ length: 48 }, () => peer.continuation('', open)),
      peer.continuation(''),
    ],
    replies: [binary(Uint8Array.of(0x78))],
  })),
  fine('5.2.12', 'fragments of different sizes: 126, 0, 65536, 1, 125', (peer) => {
    const sizes = [126, 0, 65536, 1, 125]
    const payload = pattern(sizes.reduce((sum, size) => sum + size))
    let offset = 0
    const frames = sizes.map((size, index) => {
      const part = payload.subarray(offset, (offset += size))
      return peer.frame(index === 0 ? BINARY : CONTINUATION, part, { fin: index === sizes.length - 1 })
    })
    return { frames, replies: [binary(payload)] }
  }),
  {
    id: '5.2.13',
    title: 'binary of 64 bytes in two fragments, cut at every place',
    section: '5.4',
    roles: BOTH,
    variants(peer) {
      const payload = pattern(64)
      const frames = Array.from({ length: 65 }, (_, at) => [
        peer.binary(payload.subarray(0, at), open),
        peer.continuation(payload.subarray(at)),
      ]).flat()
      return [
        answered(
          peer,
          frames,
          Array.from({ length: 65 }, () => binary(payload)),
        ),
      ]
    },
  },
  {
    id: '5.2.14',
    title: 'close inside a fragmented text',
    section: '5.4, 5.5.1',
    roles: BOTH,
    variants: (peer) => [
      {
        name: 'with a code',
        steps: [send(peer.text('begun', open)), send(peer.close(1000))],
        required: { replies: [], end: clean() },
      },
      {
        name: 'without a code',
        steps: [send(peer.text('begun', open)), send(peer.close())],
        required: { replies: [], end: clean(1005) },
      },
    ],
  },
]

const malformed: readonly Case[] = [
  wrong('5.3.1', 'continuation with FIN that continues nothing, then a text', (peer) => ({
    frames: [peer.continuation('nothing'), peer.text('Hello')],
    replies: [],
  })),
  wrong('5.3.2', 'continuation without FIN that continues nothing, then a text', (peer) => ({
    frames: [peer.continuation('nothing', open), peer.text('Hello')],
    replies: [],
  })),
  wrong('5.3.3', 'empty continuation that continues nothing', (peer) => ({
    frames: [peer.continuation('')],
    replies: [],
  })),
  wrong('5.3.4', 'continuation after a fragmented text has ended, with FIN', (peer) => ({
    frames: [peer.text('a', open), peer.continuation('b'), peer.continuation('c')],
    replies: [text('ab')],
  })),
  wrong('5.3.5', 'continuation after a fragmented text has ended, without FIN', (peer) => ({
    frames: [peer.text('a', open), peer.continuation('b'), peer.continuation('c', open), peer.text('d')],
    replies: [text('ab')],
  })),
  wrong('5.3.6', 'continuation after a single text', (peer) => ({
    frames: [peer.text('a'), peer.continuation('b')],
    replies: [text('a')],
  })),
  wrong('5.3.7', 'continuation after a ping', (peer) => ({
    frames: [peer.ping('a'), peer.continuation('b')],
    replies: [pong('a')],
  })),
  wrong('5.4.1', 'text inside a fragmented text, with FIN', (peer) => ({
    frames: [peer.text('a', open), peer.text('b'), peer.continuation('c')],
    replies: [],
  })),
  wrong('5.4.2', 'text inside a fragmented text, without FIN', (peer) => ({
    frames: [peer.text('a', open), peer.text('b', open), peer.continuation('c')],
    replies: [],
  })),
  wrong('5.4.3', 'binary inside a fragmented text', (peer) => ({
    frames: [peer.text('a', open), peer.binary(pattern(4)), peer.continuation('c')],
    replies: [],
  })),
  wrong('5.4.4', 'text inside a fragmented binary', (peer) => ({
    frames: [peer.binary(pattern(4), open), peer.text('b'), peer.continuation('c')],
    replies: [],
  })),
  wrong('5.4.5', 'empty text inside a fragmented text', (peer) => ({
    frames: [peer.text('a', open), peer.text('')],
    replies: [],
  })),
  wrong('5.4.6', 'text inside a fragmented text, after a ping', (peer) => ({
    frames: [peer.text('a', open), peer.ping('p'), peer.text('b')],
    replies: [pong('p')],
  })),
  wrong('5.4.7', 'text inside a fragmented text whose first frame was empty', (peer) => ({
    frames: [peer.text('', open), peer.text('b')],
    replies: [],
  })),
  wrong(
    '5.4.8',
    'ping of 126 bytes inside a fragmented text',
    (peer) => ({
      frames: [peer.text('a', open), peer.ping(pattern(126)), peer.continuation('b')],
      replies: [],
    }),
    '5.5',
  ),
]

export const fragmentation: readonly Case[] = [...fragmentedControl(), ...wellFormed, ...malformed]
