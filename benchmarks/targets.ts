// What openline must reach, as ratios in one run: how many times its cost the other has.

import type { PeerName } from './peers.ts'

export interface Target {
  /** The work's name. */
  readonly work: string
  readonly title: string
  /** What the others do; the same work if absent. */
  readonly baseline?: string
  /** The cheapest of these counts. */
  readonly peers: readonly PeerName[]
  readonly against: string
  /** At least this many times openline's cost. */
  readonly ratio: number
  /** Say it the other way round: at most this share of the other's cost. */
  readonly isShare?: boolean
}

const ws = { peers: ['ws', 'ws-bufferutil'], against: 'ws, with or without bufferutil' } as const
const best = { peers: ['uws', 'bun'], against: 'the better of uWebSockets.js and Bun' } as const

const alone = { work: 'deflate', title: 'permessage-deflate, 1 KB JSON, no takeover' } as const
const takeover = { work: 'deflate-takeover', title: 'permessage-deflate, 1 KB JSON, takeover' } as const
/** What openline must reach. The published results must have been judged by these. */
export const targets: readonly Target[] = [
  { work: 'row1', title: '64 connections, 1 in flight, 32 B text', ...ws, ratio: 1.4 },
  { work: 'row1', title: '64 connections, 1 in flight, 32 B text', ...best, ratio: 0.95 },
  { work: 'row2', title: '64 connections, 16 in flight, 32 B text', ...ws, ratio: 10 },
  { work: 'row2', title: '64 connections, 16 in flight, 32 B text', ...best, ratio: 1.1 },
  { work: 'row3', title: '64 connections, 16 in flight, 1 KB text', ...ws, ratio: 10 },
  { work: 'row3', title: '64 connections, 16 in flight, 1 KB text', ...best, ratio: 1.1 },
  { work: 'row4', title: '16 connections, 1 in flight, 64 KB binary', ...ws, ratio: 1.4 },
  { work: 'row4', title: '16 connections, 1 in flight, 64 KB binary', ...best, ratio: 0.7 },
  { work: 'row5', title: '4 connections, 4 in flight, 1 MB binary', ...ws, ratio: 1.2 },
  { work: 'row5', title: '4 connections, 4 in flight, 1 MB binary', ...best, ratio: 1 },
  { work: 'for-await', title: 'row 2 with for await', ...ws, against: 'callbacks of ws', ratio: 7 },
  { work: 'client', title: 'row 2 in the client role', ...ws, against: 'the client of ws', ratio: 7 },
  { ...alone, ...ws, ratio: 10 },
  { ...alone, ...best, ratio: 1 },
  { ...takeover, ...ws, ratio: 10 },
  { ...takeover, ...best, ratio: 1 },
  {
    work: 'broadcast-deflate',
    title: 'compressed, to 5,000 subscribers',
    baseline: 'broadcast-json',
    peers: ['openline'],
    against: 'itself, not compressed',
    ratio: 1 / 1.5,
    isShare: true,
  },
  { work: 'broadcast', title: 'to 5,000 subscribers', ...ws, against: 'a loop over ws', ratio: 2 },
  {
    work: 'memory',
    title: 'memory of an idle connection',
    ...ws,
    against: 'ws',
    ratio: 1 / 0.75,
    isShare: true,
  },
  { work: 'handshake', title: 'opening handshake', ...ws, against: 'ws', ratio: 1 / 0.75, isShare: true },
]

/** Tells whether a work is needed to judge a target. */
export function hasTarget(name: string): boolean {
  return targets.some(({ work, baseline }) => work === name || baseline === name)
}
