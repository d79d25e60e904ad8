// How all micro-benchmarks measure: samples of many calls each, the median of them, and how far they lie from it.
// Each subject runs in a process of its own, because the JIT compiles code for what it has seen before.

import { Bench } from 'tinybench'

/** Something to measure. */
export interface Case {
  /** The columns that name it. */
  readonly columns: Readonly<Record<string, string>>
  /** How many units (messages, or calls) one call of `run` does. */
  readonly units: number
  /** Bytes in a unit, where throughput is of interest. */
  readonly bytes?: number
  run(): void
}

/** What came of it. */
export interface Result {
  readonly columns: Readonly<Record<string, string>>
  /** Median nanoseconds for a unit. */
  readonly nanoseconds: number
  /** Median absolute deviation as a part of the median: half of all samples lie within. */
  readonly deviation: number
  readonly bytes?: number
}

/** Measure the cases, one after the other. */
export async function measure(cases: Iterable<Case>): Promise<Result[]> {
  const time = Number(process.env.BENCH_TIME_MS ?? 300)
  const results: Result[] = []
  for (const { columns, units, bytes, run } of cases) {
    const bench = new Bench({ time, warmupTime: time / 3, retainSamples: false, throws: true })
    bench.add('case', run)
    const [task] = await bench.run()
    const result = task?.result
    if (result?.state !== 'completed')
      throw new Error(`${Object.values(columns).join(' ')}: ${result?.state}`)
    const { p50, mad } = result.latency
    results.push({
      columns,
      nanoseconds: (p50 * 1e6) / units,
      deviation: mad / p50,
      ...(bytes === undefined ? {} : { bytes }),
    })
  }
  return results
}

/** Hand results to run.ts, or show them when the subject was started by itself. */
export function report(results: readonly Result[]): void {
  if (process.send === undefined) console.log(formatTable(results))
  else process.send(results)
}

/** Lay results out as a table. */
export function formatTable(results: readonly Result[]): string {
  const names = Object.keys(results[0]?.columns ?? {})
  const hasBytes = results.some(({ bytes }) => bytes !== undefined)
  const rows = [
    [...names, 'median', ...(hasBytes ? ['GB/s'] : []), 'deviation'],
    ...results.map(({ columns, nanoseconds, deviation, bytes }) => [
      ...names.map((name) => columns[name] ?? ''),
      `${formatNumber(nanoseconds)} ns`,
      // Bytes per nanosecond are gigabytes per second.
      ...(hasBytes ? [formatNumber((bytes ?? 0) / nanoseconds)] : []),
      `± ${(deviation * 100).toFixed(1)} %`,
    ]),
  ]
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column < names.length ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
        )
        .join('  '),
    )
    .join('\n')
}

/** Write a size as people say it. */
export function formatSize(size: number): string {
  if (size >= 1024 * 1024) return `${size / 1024 / 1024} MiB`
  return size >= 1024 ? `${size / 1024} KiB` : `${size} B`
}

function formatNumber(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(value >= 10 ? 1 : 2)
}
