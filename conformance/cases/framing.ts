// Group 1: single frames of text and binary, at the sizes where the length's encoding changes.

import { BOTH, type Case, type Variant } from '../case.ts'
import { BINARY, type Peer, TEXT } from '../codec.ts'
import { answered, binary, letters, pattern, sendChopped, text } from './scripts.ts'

const SIZES = [0, 1, 125, 126, 127, 128, 65534, 65535, 65536, 65537]

function single(peer: Peer, opcode: typeof TEXT | typeof BINARY, size: number): Variant {
  const payload = opcode === TEXT ? letters(size) : pattern(size)
  return answered(peer, [peer.frame(opcode, payload)], [opcode === TEXT ? text(payload) : binary(payload)])
}

function* sized(opcode: typeof TEXT | typeof BINARY, prefix: string): Generator<Case> {
  const kind = opcode === TEXT ? 'text' : 'binary'
  let number = 0
  for (const size of SIZES) {
    yield {
      id: `${prefix}.${++number}`,
      title: `${kind} of ${size} bytes`,
      section: '5.2, 5.6',
      roles: BOTH,
      variants: (peer) => [single(peer, opcode, size)],
    }
  }
  for (const chop of [997, 1460, 32768]) {
    yield {
      id: `${prefix}.${++number}`,
      title: `${kind} of 65536 bytes in chops of ${chop}`,
      section: '5.2, 5.6',
      roles: BOTH,
      variants(peer) {
        const payload = opcode === TEXT ? letters(65536) : pattern(65536)
        const reply = opcode === TEXT ? text(payload) : binary(payload)
        return [answered(peer, [sendChopped(chop, peer.frame(opcode, payload))], [reply])]
      },
    }
  }
  yield {
    id: `${prefix}.${++number}`,
    title: `${kind} of every size from 0 to 260 bytes, one after the other`,
    section: '5.2, 5.6',
    roles: BOTH,
    variants(peer) {
      const payloads = Array.from({ length: 261 }, (_, size) => (opcode === TEXT ? letters : pattern)(size))
      const replies = payloads.map(opcode === TEXT ? text : binary)
      return [
        answered(
          peer,
          payloads.map((payload) => peer.frame(opcode, payload)),
          replies,
        ),
      ]
    },
  }
}

export const framing: readonly Case[] = [
  ...sized(TEXT, '1.1'),
  ...sized(BINARY, '1.2'),
  {
    id: '1.3.1',
    title: 'text and binary in turn',
    section: '5.6',
    roles: BOTH,
    variants(peer) {
      const bytes = pattern(20)
      const frames = [
        peer.text('one'),
        peer.binary(bytes),
        peer.text(''),
        peer.binary(letters(9)),
        peer.text('two'),
      ]
      const replies = [text('one'), binary(bytes), text(''), binary(letters(9)), text('two')]
      return [answered(peer, frames, replies)]
    },
  },
]
