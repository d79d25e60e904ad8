// Group 4: the opcodes that RFC 6455 reserves.

import { BOTH, type Case } from '../case.ts'
import { awaitReplies, failed, letters, NOTHING, refused, send, sendChopped, text } from './scripts.ts'

function* generate(): Generator<Case> {
  for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
    const control = opcode > 7
    yield {
      id: `4.${control ? 2 : 1}.${control ? opcode - 10 : opcode - 2}`,
      title: `${control ? 'control' : 'data'} frame with the reserved opcode ${opcode}`,
      section: '5.2',
      roles: BOTH,
      variants(peer) {
        const empty = peer.frame(opcode, NOTHING)
        const full = peer.frame(opcode, letters(14))
        const replies = [text('fine')]
        const fine = [peer.text('fine'), awaitReplies(1)]
        return [
          refused([empty], failed(), { name: 'empty' }),
          refused([full], failed(), { name: 'with payload' }),
          refused([peer.frame(opcode, letters(300))], failed(), { name: 'with 300 bytes' }),
          refused([peer.frame(opcode, letters(3), { fin: false })], failed(), { name: 'without FIN' }),
          refused([...fine, send(empty, peer.ping())], failed(), {
            name: 'after a text, before a ping',
            replies,
          }),
          refused([...fine, send(full, peer.ping())], failed(), {
            name: 'with payload, after a text, before a ping',
            replies,
          }),
          refused([...fine, sendChopped(1, full, peer.ping())], failed(), {
            name: 'with payload, after a text, before a ping, in chops of 1',
            replies,
          }),
          refused([peer.text('begun', { fin: false }), full, peer.continuation('end')], failed(), {
            name: 'inside a fragmented text',
          }),
        ]
      },
    }
  }
}

export const opcodes: readonly Case[] = [...generate()]
