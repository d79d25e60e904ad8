// From single measurements to medians and ratios. Ratios are made round by round, of measurements that
// stood next to each other in time: the machine's speed drifts, and a ratio of medians would keep that.

import type { PeerName } from '../peers.ts'

/** One turn of one peer at one work in one round. */
export interface Measurement {
  readonly work: string
  readonly peer: PeerName
  readonly round: number
  readonly messages: number
  readonly seconds: number
  /** Server CPU, user and system. */
  readonly serverCpuSeconds: number
  readonly generatorUtilisation: number
}

export interface Summary {
  readonly peer: PeerName
  readonly rounds: number
  /** Median, least and most, in microseconds of server CPU. */
  readonly cpuPerMessage: number
  readonly cpuPerMessageRange: readonly [number, number]
  readonly messagesPerSecond: number
  readonly serverUtilisation: number
  readonly generatorUtilisation: number
  /** Median of this peer's CPU per message divided by that of the reference; absent without one. */
  readonly ratio?: number
}

/** Microseconds of server CPU. */
export function cpuPerMessage(measurement: Measurement): number {
  return (measurement.serverCpuSeconds / measurement.messages) * 1e6
}

export function summarise(measurements: readonly Measurement[], reference: PeerName): Summary[] {
  const names = [...new Set(measurements.map(({ peer }) => peer))]
  return names.map((peer) => {
    const own = measurements.filter((measurement) => measurement.peer === peer)
    const costs = own.map(cpuPerMessage)
    const ratio = ratioAgainst(measurements, [peer], reference)
    return {
      peer,
      rounds: own.length,
      cpuPerMessage: median(costs),
      cpuPerMessageRange: [Math.min(...costs), Math.max(...costs)],
      messagesPerSecond: median(own.map(({ messages, seconds }) => messages / seconds)),
      serverUtilisation: median(own.map(({ serverCpuSeconds, seconds }) => serverCpuSeconds / seconds)),
      generatorUtilisation: median(own.map(({ generatorUtilisation }) => generatorUtilisation)),
      ...(ratio === undefined ? {} : { ratio }),
    }
  })
}

/** Returns how many times the reference's CPU the best of some peers took: per round, then the median. */
export function ratioAgainst(
  measurements: readonly Measurement[],
  names: readonly PeerName[],
  reference: PeerName,
): number | undefined {
  const ratios: number[] = []
  for (const own of measurements) {
    if (own.peer !== reference) continue
    const others = measurements.filter(({ round, peer }) => round === own.round && names.includes(peer))
    if (others.length > 0) ratios.push(Math.min(...others.map(cpuPerMessage)) / cpuPerMessage(own))
  }
  return ratios.length > 0 ? median(ratios) : undefined
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}
