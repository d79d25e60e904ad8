// The works that are measured. What each must reach stands in targets.ts.

import type { Compression, Load, Mode } from './harness/generator.ts'
import type { PeerName } from './peers.ts'

/** What a work costs: CPU time of the process under test for each message or handshake, memory, or waiting. */
export type Measure = 'cpu' | 'memory' | 'latency'

export interface Work {
  readonly name: string
  readonly title: string
  /** The works of a group are run together; curves are drawn over a group. */
  readonly group: Group
  readonly measure: Measure
  /** What one cost is for: the word after "per". */
  readonly unit: string
  readonly mode: Mode
  readonly load: Load
  /** What the server does; clients under test always answer each message with one. */
  readonly handler: 'echo' | 'for-await' | 'broadcast'
  readonly tls: boolean
  /** Both ends compress every message. */
  readonly compression?: Compression
  /** Only these; all peers that can if absent. */
  readonly peers?: readonly PeerName[]
  /** Where the work stands on the axis of its group's curve. */
  readonly x?: number
  /** Which of a group's curves it belongs to. */
  readonly series?: string
}

export type Group =
  | 'main'
  | 'compressed'
  | 'sizes'
  | 'in flight'
  | 'connections'
  | 'subscribers'
  | 'TLS'
  | 'latency'
  | 'memory'

const echo = {
  measure: 'cpu',
  unit: 'message',
  mode: 'echo',
  handler: 'echo',
  tls: false,
} as const

/** Without the peers that are far behind, whose curves would hide the others. */
const fast = ['openline', 'ws', 'ws-bufferutil', 'uws', 'bun'] as const
const row2 = { connections: 64, inFlight: 16, size: 32, kind: 'text-ascii' } as const

const main: readonly Work[] = [
  {
    ...echo,
    group: 'main',
    name: 'row1',
    title: 'echo, 64 connections, 1 in flight, 32 B text',
    load: { connections: 64, inFlight: 1, size: 32, kind: 'text-ascii' },
  },
  {
    ...echo,
    group: 'main',
    name: 'row2',
    title: 'echo, 64 connections, 16 in flight, 32 B text',
    load: row2,
  },
  {
    ...echo,
    group: 'main',
    name: 'row3',
    title: 'echo, 64 connections, 16 in flight, 1 KB text',
    load: { connections: 64, inFlight: 16, size: 1024, kind: 'text-ascii' },
  },
  {
    ...echo,
    group: 'main',
    name: 'row4',
    title: 'echo, 16 connections, 1 in flight, 64 KB binary',
    load: { connections: 16, inFlight: 1, size: 64 * 1024, kind: 'binary' },
  },
  {
    ...echo,
    group: 'main',
    name: 'row5',
    title: 'echo, 4 connections, 4 in flight, 1 MB binary',
    load: { connections: 4, inFlight: 4, size: 1024 * 1024, kind: 'binary' },
  },
  {
    ...echo,
    group: 'main',
    name: 'for-await',
    title: 'as row 2, openline with for await against callbacks of ws',
    load: row2,
    handler: 'for-await',
    peers: ['openline', 'ws', 'ws-bufferutil'],
  },
  {
    ...echo,
    group: 'main',
    name: 'client',
    title: 'as row 2, CPU of the client',
    mode: 'serve',
    load: row2,
    peers: ['openline', 'ws', 'ws-bufferutil', 'undici', 'python'],
  },
  {
    ...echo,
    group: 'main',
    name: 'broadcast',
    title: 'one message of 125 B to 5,000 subscribers',
    mode: 'broadcast',
    handler: 'broadcast',
    load: { connections: 5000, size: 125, kind: 'text-ascii' },
  },
  {
    ...echo,
    group: 'main',
    name: 'handshake',
    title: 'opening handshakes',
    unit: 'handshake',
    mode: 'open',
    // A server that runs for days has optimised its handshakes long ago; after one round V8 is still at it. And enough
    // of them that it collects its garbage several times: with 5,000 it is luck whether a collection falls into the time.
    load: { connections: 15_000, warmUpConnections: 10_000, warmUpRounds: 2 },
  },
  {
    ...echo,
    group: 'main',
    name: 'memory',
    title: 'memory of an idle connection, 10,000 of them',
    measure: 'memory',
    unit: 'connection',
    mode: 'open',
    load: { connections: 10_000 },
  },
]

/** Those that compress; Deno's server does not. */
const compressing = ['openline', 'ws', 'ws-bufferutil', 'uws', 'bun', 'python'] as const
const json = { size: 1024, kind: 'json' } as const

const compressed: readonly Work[] = [
  {
    ...echo,
    group: 'compressed',
    name: 'deflate',
    title: 'echo, 64 connections, 16 in flight, 1 KB JSON, compressed without takeover',
    load: { ...row2, ...json },
    compression: 'no-takeover',
    peers: compressing,
  },
  {
    ...echo,
    group: 'compressed',
    name: 'deflate-takeover',
    title: 'echo, 64 connections, 16 in flight, 1 KB JSON, compressed with takeover',
    load: { ...row2, ...json },
    compression: 'takeover',
    peers: compressing,
  },
  {
    ...echo,
    group: 'compressed',
    name: 'broadcast-json',
    title: 'one message of 1 KB JSON to 5,000 subscribers, not compressed',
    mode: 'broadcast',
    handler: 'broadcast',
    load: { connections: 5000, ...json },
    peers: compressing,
  },
  {
    ...echo,
    group: 'compressed',
    name: 'broadcast-deflate',
    title: 'one message of 1 KB JSON to 5,000 subscribers, compressed with takeover',
    mode: 'broadcast',
    handler: 'broadcast',
    load: { connections: 5000, ...json },
    compression: 'takeover',
    peers: compressing,
  },
  {
    ...echo,
    group: 'compressed',
    name: 'memory-deflate',
    title:
      'memory of a connection that is idle after 8 messages each way, compressed with takeover, 2,000 of them',
    measure: 'memory',
    unit: 'connection',
    mode: 'open',
    // Windows of 4 KiB are full by then.
    load: { connections: 2000, messages: 8, ...json },
    compression: 'takeover',
    peers: compressing,
  },
]

const sizes: readonly Work[] = [0, 32, 125, 1024, 16 * 1024, 64 * 1024, 1024 * 1024].flatMap((size) =>
  (['text-ascii', 'text-chinese', 'binary'] as const).map((kind): Work => {
    // 64 connections with 4 MB under way each would measure the system's buffers.
    const connections = size >= 1024 * 1024 ? 4 : size >= 16 * 1024 ? 16 : 64
    return {
      ...echo,
      group: 'sizes',
      name: `size-${size}-${kind}`,
      title: `echo, ${connections} connections, 4 in flight, ${formatSize(size)}, ${kind}`,
      load: { connections, inFlight: 4, size, kind },
      peers: fast,
      x: size,
      series: kind,
    }
  }),
)

const inFlight: readonly Work[] = [1, 4, 16].map((count) => ({
  ...echo,
  group: 'in flight',
  name: `in-flight-${count}`,
  title: `echo, 64 connections, ${count} in flight, 32 B text`,
  load: { connections: 64, inFlight: count, size: 32, kind: 'text-ascii' },
  peers: fast,
  x: count,
  series: 'messages in flight',
}))

const connections: readonly Work[] = [1, 64, 1000, 10_000].map((count) => ({
  ...echo,
  group: 'connections',
  name: `connections-${count}`,
  title: `echo, ${count.toLocaleString('en-US')} connections, 1 in flight, 32 B text`,
  load: { connections: count, inFlight: 1, size: 32, kind: 'text-ascii' },
  peers: fast,
  x: count,
  series: 'connections',
}))

const subscribers: readonly Work[] = [100, 1000, 5000].map((count) => ({
  ...echo,
  group: 'subscribers',
  name: `subscribers-${count}`,
  title: `one message of 125 B to ${count.toLocaleString('en-US')} subscribers`,
  mode: 'broadcast',
  handler: 'broadcast',
  load: { connections: count, size: 125, kind: 'text-ascii' },
  peers: fast,
  x: count,
  series: 'subscribers',
}))

const tls: readonly Work[] = [1, 16].map((count) => ({
  ...echo,
  group: 'TLS',
  name: `tls-${count}`,
  title: `echo over TLS, 64 connections, ${count} in flight, 32 B text`,
  load: { connections: 64, inFlight: count, size: 32, kind: 'text-ascii' },
  tls: true,
}))

const latency: readonly Work[] = [5_000, 50_000].map((rate) => ({
  ...echo,
  group: 'latency',
  name: `latency-${rate}`,
  title: `echo at ${rate.toLocaleString('en-US')} messages a second, 64 connections, 32 B text`,
  measure: 'latency',
  mode: 'latency',
  load: { connections: 64, size: 32, kind: 'text-ascii', rate },
}))

const memory: readonly Work[] = [
  {
    ...echo,
    group: 'memory',
    name: 'memory-tls',
    title: 'memory of an idle connection over TLS, 5,000 of them',
    measure: 'memory',
    unit: 'connection',
    mode: 'open',
    load: { connections: 5000 },
    tls: true,
  },
]

/** All works, those first whose figures have targets. */
export const works: readonly Work[] = [
  ...main,
  ...compressed,
  ...sizes,
  ...inFlight,
  ...connections,
  ...subscribers,
  ...tls,
  ...latency,
  ...memory,
]

function formatSize(size: number): string {
  return size < 1024 ? `${size} B` : size < 1024 * 1024 ? `${size / 1024} KB` : `${size / 1024 / 1024} MB`
}
