// Group 2: pings and pongs.

import { BOTH, type Case, type Variant } from '../case.ts'
import type { Peer } from '../codec.ts'
import {
  answered,
  failed,
  fromHex,
  letters,
  NOTHING,
  optional,
  pattern,
  pong,
  refused,
  sendChopped,
  text,
} from './scripts.ts'

function pingCase(
  number: number,
  title: string,
  variants: (peer: Peer) => Variant[],
  section = '5.5.2',
): Case {
  return { id: `2.${number}`, title, section, roles: BOTH, variants }
}

// RFC 6455 section 5.5.3: "the endpoint MAY elect to send a Pong frame for only the most recently processed Ping
// frame", so all pongs but the last are optional.
function tenPings(peer: Peer, chop?: number): Variant {
  const payloads = Array.from({ length: 10 }, (_, index) => `payload-${index}`)
  const replies = payloads.map((payload, index) => (index < 9 ? optional(pong(payload)) : pong(payload)))
  const frames = payloads.map((payload) => peer.ping(payload))
  return answered(peer, chop === undefined ? frames : [sendChopped(chop, ...frames)], replies)
}

const odd = fromHex('00 ff fe fd fc fb 00 ff')

export const pings: readonly Case[] = [
  pingCase(1, 'ping without payload', (peer) => [answered(peer, [peer.ping()], [pong()])]),
  pingCase(2, 'ping with text', (peer) => [answered(peer, [peer.ping('Hello')], [pong('Hello')])]),
  pingCase(3, 'ping with bytes that are not UTF-8', (peer) => [
    answered(peer, [peer.ping(odd)], [pong(odd)]),
  ]),
  pingCase(4, 'ping of 125 bytes', (peer) => [
    answered(peer, [peer.ping(pattern(125))], [pong(pattern(125))]),
  ]),
  pingCase(5, 'ping of 126 bytes', (peer) => [refused([peer.ping(pattern(126))], failed())], '5.5'),
  pingCase(6, 'ping of 125 bytes in chops of 1', (peer) => [
    answered(peer, [sendChopped(1, peer.ping(letters(125)))], [pong(letters(125))]),
  ]),
  pingCase(7, 'unsolicited pong without payload', (peer) => [answered(peer, [peer.pong()], [])], '5.5.3'),
  pingCase(8, 'unsolicited pong with payload', (peer) => [answered(peer, [peer.pong('I am')], [])], '5.5.3'),
  pingCase(
    9,
    'unsolicited pong, then a ping',
    (peer) => [answered(peer, [peer.pong('not for you'), peer.ping('for you')], [pong('for you')])],
    '5.5.3',
  ),
  pingCase(10, 'ten pings', (peer) => [tenPings(peer)]),
  pingCase(11, 'ten pings in chops of 1', (peer) => [tenPings(peer, 1)]),
  pingCase(
    12,
    'unsolicited pong of 125 bytes',
    (peer) => [answered(peer, [peer.pong(pattern(125))], [])],
    '5.5.3',
  ),
  pingCase(13, 'pong of 126 bytes', (peer) => [refused([peer.pong(pattern(126))], failed())], '5.5'),
  pingCase(14, 'ping of 65536 bytes', (peer) => [refused([peer.ping(pattern(65536))], failed())], '5.5'),
  pingCase(15, 'ping of every size from 0 to 125 bytes, each answered before the next', (peer) => [
    answered(
      peer,
      Array.from({ length: 126 }, (_, size) => [
        peer.ping(pattern(size)),
        { kind: 'await', replies: size + 1 } as const,
      ]).flat(),
      Array.from({ length: 126 }, (_, size) => pong(pattern(size))),
    ),
  ]),
  pingCase(16, 'ping between two texts', (peer) => [
    answered(
      peer,
      [peer.text('one'), peer.ping('p'), peer.text('two')],
      [text('one'), pong('p'), text('two')],
    ),
  ]),
  pingCase(17, 'ping of 126 bytes after a text, then a ping', (peer) => [
    refused(
      [peer.text('one'), { kind: 'await', replies: 1 }, peer.ping(pattern(126)), peer.ping('late')],
      failed(),
      { replies: [text('one')] },
    ),
  ]),
  pingCase(18, 'ping whose payload looks like frames', (peer) => [
    answered(
      peer,
      [peer.ping(fromHex('81 00 89 00 88 00')), peer.ping(NOTHING)],
      [optional(pong(fromHex('81 00 89 00 88 00'))), pong()],
    ),
  ]),
]
