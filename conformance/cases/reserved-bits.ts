// Group 3: reserved bits, which must be 0 unless an extension was negotiated, and none was.

import { BOTH, type Case } from '../case.ts'
import { BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT } from '../codec.ts'
import {
  awaitReplies,
  failed,
  fromHex,
  letters,
  NOTHING,
  refused,
  send,
  sendChopped,
  text,
} from './scripts.ts'

const KINDS = [
  { name: 'text', opcode: TEXT, payload: letters(12) },
  { name: 'empty text', opcode: TEXT, payload: NOTHING },
  { name: 'binary', opcode: BINARY, payload: letters(12) },
  { name: 'ping', opcode: PING, payload: letters(5) },
  { name: 'pong', opcode: PONG, payload: letters(5) },
  { name: 'close', opcode: CLOSE, payload: fromHex('03 e8') },
  { name: 'continuation', opcode: CONTINUATION, payload: letters(12) },
]

function* generate(): Generator<Case> {
  for (let reserved = 1; reserved <= 7; reserved++) {
    for (const [index, { name, opcode, payload }] of KINDS.entries()) {
      yield {
        id: `3.${reserved}.${index + 1}`,
        title: `${name} with reserved bits ${reserved.toString(2).padStart(3, '0')}`,
        section: '5.2',
        roles: BOTH,
        variants(peer) {
          const before = opcode === CONTINUATION ? [peer.text('begun, ', { fin: false })] : []
          const wrong = peer.frame(opcode, payload, { reserved })
          return [
            refused([...before, wrong], failed(), { name: 'alone' }),
            refused(
              [
                peer.text('fine'),
                awaitReplies(1),
                send(...before, wrong, peer.ping('late'), peer.text('late')),
              ],
              failed(),
              { name: 'after a text, before a ping and a text', replies: [text('fine')] },
            ),
            refused(
              [peer.text('fine'), awaitReplies(1), sendChopped(1, ...before, wrong, peer.ping('late'))],
              failed(),
              { name: 'after a text, before a ping, in chops of 1', replies: [text('fine')] },
            ),
          ]
        },
      }
    }
  }
}

export const reservedBits: readonly Case[] = [...generate()]
