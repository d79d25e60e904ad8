// The works that are measured, and the targets each must reach (how many times the CPU of openline the
// other may take, at least).

import type { Load } from './harness/generator.ts'
import type { PeerName } from './peers.ts'

export interface Work {
  readonly name: string
  readonly title: string
  readonly load: Load
  /** How openline's echo is written; peers always use what is fastest for them. */
  readonly style: 'callback' | 'for await'
  /** Only these; all peers if absent. */
  readonly peers?: readonly PeerName[]
  readonly targets: Targets
}

export interface Targets {
  /** Against the better of ws with and without its optional native helpers. */
  readonly ws: number
  /** Against the better of uWebSockets.js and Bun. */
  readonly best?: number
}

export const works: readonly Work[] = [
  {
    name: 'row1',
    title: '64 connections, 1 in flight, 32 B text',
    load: { connections: 64, inFlight: 1, size: 32, kind: 'text-ascii' },
    style: 'callback',
    targets: { ws: 1.4, best: 0.95 },
  },
  {
    name: 'row2',
    title: '64 connections, 16 in flight, 32 B text',
    load: { connections: 64, inFlight: 16, size: 32, kind: 'text-ascii' },
    style: 'callback',
    targets: { ws: 10, best: 1.1 },
  },
  {
    name: 'row3',
    title: '64 connections, 16 in flight, 1 KB text',
    load: { connections: 64, inFlight: 16, size: 1024, kind: 'text-ascii' },
    style: 'callback',
    targets: { ws: 10, best: 1.1 },
  },
  {
    name: 'row4',
    title: '16 connections, 1 in flight, 64 KB binary',
    load: { connections: 16, inFlight: 1, size: 64 * 1024, kind: 'binary' },
    style: 'callback',
    targets: { ws: 1.4, best: 0.7 },
  },
  {
    name: 'row5',
    title: '4 connections, 4 in flight, 1 MB binary',
    load: { connections: 4, inFlight: 4, size: 1024 * 1024, kind: 'binary' },
    style: 'callback',
    targets: { ws: 1.2, best: 1 },
  },
  {
    name: 'row2-for-await',
    title: '64 connections, 16 in flight, 32 B text, openline with for await against callbacks of ws',
    load: { connections: 64, inFlight: 16, size: 32, kind: 'text-ascii' },
    style: 'for await',
    peers: ['openline', 'ws', 'ws-bufferutil'],
    targets: { ws: 7 },
  },
]
