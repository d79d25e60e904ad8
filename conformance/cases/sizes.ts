// Group 9: large messages, in one frame, in fragments and in chops, and many small messages.
// Group 10: messages cut into frames of one size.

import { BOTH, type Case, type Outcome, type Reply, type Step, type Variant } from '../case.ts'
import { BINARY, type Peer, TEXT } from '../codec.ts'
import {
  answered,
  awaitReplies,
  binary,
  failed,
  letters,
  pattern,
  send,
  sendChopped,
  text,
} from './scripts.ts'

const KIB = 1024
const MIB = 1024 * 1024

const KINDS = [
  { name: 'text', opcode: TEXT, make: letters, reply: text },
  { name: 'binary', opcode: BINARY, make: pattern, reply: binary },
] as const

// RFC 6455 section 10.4: endpoints may limit "the frame size and total message size", and what a message costs.
const overLimit: readonly Outcome[] = [{ replies: [], end: failed(1009, [1002, 1008, 1011]) }]

/** Send one message; an endpoint may also find it too large, or in too many frames. */
function costly(peer: Peer, steps: readonly Step[], reply: Reply): Variant[] {
  return [{ ...answered(peer, steps, [reply]), allowed: overLimit }]
}

function sizeName(size: number): string {
  if (size >= MIB) return `${size / MIB} MiB`
  return size >= KIB ? `${size / KIB} KiB` : `${size} bytes`
}

function* large(): Generator<Case> {
  for (const [kind, { name, opcode, make, reply }] of KINDS.entries()) {
    for (const [index, size] of [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB].entries()) {
      yield {
        id: `9.${kind + 1}.${index + 1}`,
        title: `${name} of ${sizeName(size)} in one frame`,
        section: '5.2',
        roles: BOTH,
        variants: (peer) => costly(peer, [send(peer.frame(opcode, make(size)))], reply(make(size))),
      }
    }
    for (const [index, part] of [
      64,
      256,
      KIB,
      4 * KIB,
      16 * KIB,
      64 * KIB,
      256 * KIB,
      MIB,
      4 * MIB,
    ].entries()) {
      yield {
        id: `9.${kind + 3}.${index + 1}`,
        title: `${name} of 4 MiB in fragments of ${sizeName(part)}`,
        section: '5.4',
        roles: BOTH,
        variants(peer) {
          const payload = make(4 * MIB)
          return costly(peer, [send(...peer.fragments(opcode, payload, part))], reply(payload))
        },
      }
    }
    for (const [index, chop] of [64, 128, 256, 512, KIB, 2 * KIB].entries()) {
      yield {
        id: `9.${kind + 5}.${index + 1}`,
        title: `${name} of 1 MiB in chops of ${sizeName(chop)}`,
        section: '5.2',
        roles: BOTH,
        variants(peer) {
          const payload = make(MIB)
          return costly(peer, [sendChopped(chop, peer.frame(opcode, payload))], reply(payload))
        },
      }
    }
    for (const [index, size] of [0, 16, 64, 256, KIB, 4 * KIB].entries()) {
      yield {
        id: `9.${kind + 7}.${index + 1}`,
        title: `1000 times ${name} of ${sizeName(size)}, 50 at a time`,
        section: '5.6',
        roles: BOTH,
        variants(peer) {
          const payload = make(size)
          const batches = Array.from({ length: 20 }, (_, batch): Step[] => [
            send(...Array.from({ length: 50 }, () => peer.frame(opcode, payload))),
            awaitReplies(50 * (batch + 1)),
          ])
          return [
            answered(
              peer,
              batches.flat(),
              Array.from({ length: 1000 }, () => reply(payload)),
            ),
          ]
        },
      }
    }
  }
}

function* cut(): Generator<Case> {
  const sizes = [
    [65536, 1300],
    [65536, 1],
    [65536, 125],
    [65536, 126],
    [65536, 127],
    [65536, 65535],
    [65536, 65536],
    [200_000, 65535],
    [200_000, 65536],
    [200_000, 65537],
    [1300, 1300],
    [1301, 1300],
  ] as const
  for (const [kind, { name, opcode, make, reply }] of KINDS.entries()) {
    for (const [index, [size, part]] of sizes.entries()) {
      yield {
        id: `10.${kind + 1}.${index + 1}`,
        title: `${name} of ${size} bytes in frames of ${part}`,
        section: '5.4',
        roles: BOTH,
        variants(peer) {
          const payload = make(size)
          return costly(peer, [send(...peer.fragments(opcode, payload, part))], reply(payload))
        },
      }
    }
  }
}

export const sizes: readonly Case[] = [...large()]
export const cutMessages: readonly Case[] = [...cut()]
