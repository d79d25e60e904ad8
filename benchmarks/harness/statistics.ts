// From single measurements to medians and ratios. Ratios are made round by round, of measurements that
// stood next to each other in time: the machine's speed drifts, and a ratio of medians would keep that.

import type { PeerName } from '../peers.ts'
import type { CompressionFigures } from './generator.ts'
import type { Figures } from './measure.ts'

/** One turn of one peer at one work in one round. */
export interface Measurement extends Figures {
  readonly work: string
  readonly peer: PeerName
  /** Such as "Node 24"; what is no peer on Node has the name of none. */
  readonly runtime: string
  readonly round: number
}

/** What tells the contestants of a work apart: openline on Node 24, openline on Node 20, Bun. */
export interface Contestant {
  readonly peer: PeerName
  readonly runtime: string
}

export interface Summary extends Contestant {
  readonly rounds: number
  /** Median, least and most. */
  readonly cost: number
  readonly range: readonly [number, number]
  readonly messagesPerSecond: number
  /** Share of a core, and how much of it was the system's. */
  readonly utilisation: number
  readonly systemShare: number
  readonly generatorUtilisation: number
  /** Medians of the percentiles, in µs. */
  readonly latency?: { readonly p50: number; readonly p99: number; readonly p999: number }
  /** What was agreed in the last round, and how much it saved there. */
  readonly compression?: CompressionFigures
  /** Median of this contestant's cost divided by that of the reference; absent without one. */
  readonly ratio?: number
}

/** Summarises the measurements of one work; `reference` is compared with on each runtime. */
export function summarise(measurements: readonly Measurement[], reference: PeerName): Summary[] {
  const contestants = new Map(measurements.map((one) => [`${one.peer} ${one.runtime}`, one]))
  return [...contestants.values()].map(({ peer, runtime }) => {
    const own = measurements.filter((one) => one.peer === peer && one.runtime === runtime)
    const costs = own.map(({ cost }) => cost)
    const ratio = ratioAgainst(measurements, [peer], reference, runtime)
    const compression = own.at(-1)?.compression
    const latencies = own.flatMap(({ latency }) => (latency === undefined ? [] : [latency]))
    return {
      peer,
      runtime,
      rounds: own.length,
      cost: median(costs),
      range: [Math.min(...costs), Math.max(...costs)],
      messagesPerSecond: median(own.map(({ messages, seconds }) => messages / seconds)),
      utilisation: median(own.map(({ cpu, seconds }) => (cpu.user + cpu.system) / seconds)),
      systemShare: median(own.map(({ cpu }) => cpu.system / Math.max(cpu.user + cpu.system, 0.01))),
      generatorUtilisation: median(own.map(({ generatorUtilisation }) => generatorUtilisation)),
      ...(latencies.length === 0
        ? {}
        : {
            latency: {
              p50: median(latencies.map(({ p50 }) => p50)),
              p99: median(latencies.map(({ p99 }) => p99)),
              p999: median(latencies.map(({ p999 }) => p999)),
            },
          }),
      ...(compression === undefined ? {} : { compression }),
      ...(ratio === undefined ? {} : { ratio }),
    }
  })
}

/**
 * Returns how many times the reference's cost the cheapest of some peers has: per round, then the median. Peers on
 * Node count on the runtime of the reference only; without a runtime it is the reference's first. The peers' costs can
 * be those of another work.
 */
export function ratioAgainst(
  measurements: readonly Measurement[],
  names: readonly PeerName[],
  reference: PeerName,
  runtime?: string,
  theirs: readonly Measurement[] = measurements,
): number | undefined {
  const references = measurements.filter(({ peer }) => peer === reference)
  const wanted = references.some((one) => one.runtime === runtime) ? runtime : references[0]?.runtime
  const ratios: number[] = []
  for (const own of references) {
    if (own.runtime !== wanted) continue
    const others = theirs.filter(
      (one) =>
        one.round === own.round && names.includes(one.peer) && (one.runtime === wanted || one.runtime === ''),
    )
    if (others.length > 0) ratios.push(Math.min(...others.map(({ cost }) => cost)) / own.cost)
  }
  return ratios.length > 0 ? median(ratios) : undefined
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}
