// Turns the figures into text: a table for each work, then a verdict for each target.

import type { PeerName } from '../peers.ts'
import type { Work } from '../works.ts'
import type { Machine } from './machine.ts'
import { type Measurement, type Summary, summarise } from './statistics.ts'
import { formatRatio, formatTarget, type Verdict, wordFor } from './verdicts.ts'

/** Above this share of a core the generator, not the process under test, set the pace. */
const generatorLimit = 0.95
/** Above this load average per core, other programs are likely to take part in every figure. */
const busyLoad = 0.25
/** Sending later than this, in µs, makes a latency the generator's and not the server's. */
const latenessLimit = 200

export function formatMachine(machine: Machine): string {
  const memory = `${Math.round(machine.memory / 2 ** 30)} GiB`
  const busy = machine.load > busyLoad * machine.cores
  const remark = busy
    ? `\nThe machine was busy in the last minute (load ${machine.load.toFixed(1)}): trust the ratios only.`
    : ''
  return `${machine.cpu}, ${machine.cores} cores, ${memory}, Linux ${machine.kernel}, Node ${machine.node.slice(1)}${remark}`
}

/** What a peer is, or why it is not here. */
export interface Presence {
  readonly title: string
  readonly text: string
}

export function formatPresence(presences: readonly Presence[]): string {
  return table(
    presences.map(({ title, text }) => [title, text]),
    2,
  )
}

/** The name of a contestant: with its runtime where there are several. */
export function nameOf(
  { peer, runtime }: Pick<Summary, 'peer' | 'runtime'>,
  titles: ReadonlyMap<PeerName, string>,
): string {
  return runtime === '' ? titles.get(peer)! : `${titles.get(peer)}, ${runtime}`
}

export function formatWork(
  work: Work,
  measurements: readonly Measurement[],
  against: PeerName,
  titles: ReadonlyMap<PeerName, string>,
): string {
  const own = measurements.filter((measurement) => measurement.work === work.name)
  const summaries = summarise(own, against)
  const isLatency = work.measure === 'latency'
  const isCompressed = work.compression !== undefined
  const rows = summaries.map((summary) => {
    const busy = summary.generatorUtilisation > generatorLimit
    return [
      nameOf(summary, titles),
      ...(isLatency
        ? [summary.latency!.p50, summary.latency!.p99, summary.latency!.p999].map((value) => micros(value))
        : [
            formatCost(work, summary.cost),
            `${formatCost(work, summary.range[0])}–${formatCost(work, summary.range[1])}`,
          ]),
      ...(isCompressed ? [bytes(summary.compression!.received)] : []),
      Math.round(summary.messagesPerSecond).toLocaleString('en-US'),
      percent(summary.utilisation),
      percent(summary.systemShare),
      `${percent(summary.generatorUtilisation)}${busy && !isLatency ? ' !' : ''}`,
      summary.ratio === undefined ? '–' : `${summary.ratio.toFixed(2)} ×`,
    ]
  })
  const heading = [
    '',
    ...(isLatency ? ['p50 µs', 'p99', 'p99.9'] : [costTitle(work), 'range']),
    ...(isCompressed ? ['B/message'] : []),
    `${work.unit}s/s`,
    'CPU',
    'system',
    'generator',
    `against ${titles.get(against)}`,
  ]
  const notes: string[] = []
  if (isCompressed) notes.push(formatCompression(work, summaries, titles))
  // With open loop the generator polls, so that it is never late.
  if (!isLatency && summaries.some(({ generatorUtilisation }) => generatorUtilisation > generatorLimit)) {
    notes.push('! The load generator was the bottleneck: what it says of a second is its limit.')
  }
  if (own.some(({ lateness }) => lateness !== undefined && lateness.p99 > latenessLimit)) {
    notes.push('! The load generator itself sent late: the latencies are partly its own.')
  }
  return [`${work.name}: ${work.title}`, table([heading, ...rows], 1), ...notes].join('\n')
}

/** What each server agreed to, and the bytes that a message came with. */
function formatCompression(
  { load }: Work,
  summaries: readonly Summary[],
  titles: ReadonlyMap<PeerName, string>,
): string {
  const rows = summaries.map((summary) => {
    const { extension, sent } = summary.compression!
    return [nameOf(summary, titles), extension, bytes(sent)]
  })
  const heading = ['', `agreed to; messages of ${load.size?.toLocaleString('en-US')} B`, 'come to it as']
  return table([heading, ...rows], 2)
}

function bytes(value: number): string {
  return `${Math.round(value)} B`
}

/** The heading of a cost. */
export function costTitle({ measure, unit }: Work): string {
  return measure === 'memory' ? `KB/${unit}` : `CPU µs/${unit}`
}

export function formatCost({ measure }: Work, cost: number): string {
  return measure === 'memory' ? (cost / 1024).toFixed(1) : micros(cost)
}

/** One line per target; ratios say how many times openline's cost the other has. */
export function formatVerdicts(verdicts: readonly Verdict[], runtimes: readonly string[]): string {
  const rows = verdicts.map(({ target, ratios, bounds }) => [
    target.title,
    `against ${target.against}`,
    formatTarget(target),
    ...runtimes.flatMap((runtime) => [
      formatRatio(target, ratios[runtime]),
      wordFor(target, ratios[runtime]),
      formatRatio(target, bounds[runtime]),
    ]),
  ])
  const heading = ['Targets', '', 'wanted', ...runtimes.flatMap((runtime) => [runtime, '', 'Node alone'])]
  return table([heading, ...rows], 2)
}

export function micros(value: number): string {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

/** Aligns columns: the first `words` to the left, figures to the right. */
function table(rows: readonly (readonly string[])[], words: number): string {
  const columns = Math.max(...rows.map(({ length }) => length))
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  return rows
    .map((row) => {
      const cells = row.map((cell, column) =>
        column < words ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
      )
      return `  ${cells.join('  ').trimEnd()}`
    })
    .join('\n')
}
