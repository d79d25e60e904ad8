// Turns the figures into text: a table for each work, then a verdict for each target.

import type { PeerName, Probe } from '../peers.ts'
import type { Work } from '../works.ts'
import type { Machine } from './machine.ts'
import { type Measurement, ratioAgainst, summarise } from './statistics.ts'

/** Above this share of a core the generator, not the server, set the pace. */
const generatorLimit = 0.95
/** Above this load average per core, other programs are likely to take part in every figure. */
const busyLoad = 0.25

export function formatMachine(machine: Machine): string {
  const memory = `${Math.round(machine.memory / 2 ** 30)} GiB`
  const busy = machine.load > busyLoad * machine.cores
  const remark = busy
    ? `\nThe machine was busy in the last minute (load ${machine.load.toFixed(1)}): trust the ratios only.`
    : ''
  return `${machine.cpu}, ${machine.cores} cores, ${memory}, Linux ${machine.kernel}, Node ${machine.node.slice(1)}${remark}`
}

export function formatPeers(probes: readonly Probe[]): string {
  return table(
    probes.map((probe) =>
      'reason' in probe
        ? [probe.peer.title, `not available: ${probe.reason}`]
        : [probe.peer.title, `${probe.version} on ${probe.runtime}`],
    ),
    2,
  )
}

export function formatWork(
  work: Work,
  probes: readonly Probe[],
  measurements: readonly Measurement[],
  against: PeerName,
): string {
  const own = measurements.filter((measurement) => measurement.work === work.name)
  const summaries = summarise(own, against)
  const rows = probes
    .filter(({ peer }) => work.peers?.includes(peer.name) ?? true)
    .map((probe) => {
      const summary = summaries.find(({ peer }) => peer === probe.peer.name)
      if (!summary) return [probe.peer.title, 'reason' in probe ? 'not available' : 'failed']
      const [least, most] = summary.cpuPerMessageRange
      const busy = summary.generatorUtilisation > generatorLimit
      return [
        probe.peer.title,
        micros(summary.cpuPerMessage),
        `${micros(least)}–${micros(most)}`,
        Math.round(summary.messagesPerSecond).toLocaleString('en-US'),
        percent(summary.serverUtilisation),
        `${percent(summary.generatorUtilisation)}${busy ? ' !' : ''}`,
        summary.ratio === undefined ? '–' : times(summary.ratio),
      ]
    })
  const heading = [
    '',
    'CPU µs/message',
    'range',
    'messages/s',
    'server CPU',
    'generator CPU',
    `against ${against}`,
  ]
  const bottleneck = summaries.some(({ generatorUtilisation }) => generatorUtilisation > generatorLimit)
  return [
    `${work.name}: ${work.title}`,
    table([heading, ...rows], 1),
    ...(bottleneck
      ? ['! The load generator was the bottleneck: messages/s is its limit, not the server’s.']
      : []),
  ].join('\n')
}

/** One line per target; ratios say how many times openline's CPU the other took. */
export function formatVerdicts(works: readonly Work[], measurements: readonly Measurement[]): string {
  const rows: string[][] = []
  for (const work of works) {
    const own = measurements.filter((measurement) => measurement.work === work.name)
    const line = (title: string, names: readonly PeerName[], target: number): void => {
      const measured = names.filter((name) => own.some(({ peer }) => peer === name))
      const ratio = ratioAgainst(own, names, 'openline')
      const verdict = ratio === undefined ? 'not measured' : ratio >= target ? 'met' : 'missed'
      const part =
        measured.length > 0 && measured.length < names.length ? ` (only ${measured.join(', ')})` : ''
      const figure = ratio === undefined ? '–' : times(ratio)
      rows.push([work.name, `${title}${part}`, figure, `≥ ${times(target)}`, verdict])
    }
    line('against ws, with or without bufferutil', ['ws', 'ws-bufferutil'], work.targets.ws)
    if (work.targets.best !== undefined) {
      line('against the better of uWebSockets.js and Bun', ['uws', 'bun'], work.targets.best)
    }
  }
  return `Targets\n${table([['', '', 'measured', 'target', 'verdict'], ...rows], 2)}`
}

function micros(value: number): string {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

function times(ratio: number): string {
  return `${ratio.toFixed(2)} ×`
}

/** Aligns columns: the first `words` to the left, figures to the right. */
function table(rows: readonly (readonly string[])[], words: number): string {
  const columns = Math.max(...rows.map(({ length }) => length))
  const widths = Array.from({ length: columns }, (_, column) => {
    // A row that ends early ends in a remark, which must not widen a column of figures.
    const cells = rows.filter(({ length }) => length === columns || column === 0)
    return Math.max(...cells.map((row) => row[column]?.length ?? 0))
  })
  const format = (cell: string, column: number): string =>
    column < words ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
  return rows
    .map((row) => {
      const cells = row.length === columns ? row.map(format) : [format(row[0] ?? '', 0), ...row.slice(1)]
      return `  ${cells.join('  ').trimEnd()}`
    })
    .join('\n')
}
