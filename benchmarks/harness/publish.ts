// Puts results where readers find them: results/published.*, the table in both README files, the verdicts in the page
// on performance. A test compares these with the published figures.

import { fileURLToPath } from 'node:url'
import type { PeerName } from '../peers.ts'
import { targets } from '../targets.ts'
import { works as allWorks, type Work } from '../works.ts'
import { markdownTable, writeBlock } from './blocks.ts'
import type { Machine } from './machine.ts'
import { formatCost, type Presence } from './report.ts'
import { type Measurement, type Summary, summarise } from './statistics.ts'
import { formatRatio, formatTarget, judge, type Verdict, wordFor } from './verdicts.ts'

/** What is published, as it lies in results/published.json. */
export interface Publication {
  readonly date: string
  readonly machine: Pick<Machine, 'cpu' | 'cores' | 'kernel'>
  /** The runtime of what runs on Node. */
  readonly runtime: string
  readonly presences: readonly Presence[]
  readonly rows: readonly { readonly work: string; readonly summaries: readonly Summary[] }[]
  readonly runtimes: readonly string[]
  readonly verdicts: readonly Verdict[]
}

/** What the documents are written in. */
export type Language = 'en' | 'zh-CN'

const columns: readonly PeerName[] = ['ws', 'ws-bufferutil', 'uws', 'bun']

const words = {
  en: {
    file: 'README.md',
    heading: ['', 'openline', 'ws', 'ws + bufferutil', 'uWebSockets.js', 'Bun'],
    picture: ['CPU per message of each library beside openline', 'main.svg'],
    note: (runtime: string, { machine, date }: Publication) =>
      `Medians of one run on ${runtime} (uWebSockets.js on Node 20, the newest its binaries on npm load in), ${date.slice(0, 10)}: ${machine.cores} cores of ${machine.cpu}, Linux ${machine.kernel.split('-')[0]}. openline’s column is the cost itself, the others are multiples of it: below 1 they need less. Validation, limits, heartbeat and backpressure are on.`,
    per: { message: 'µs CPU', handshake: 'µs CPU', connection: 'KB' } as Record<string, string>,
    works: {} as Record<string, string>,
  },
  'zh-CN': {
    file: 'README.zh-CN.md',
    heading: ['', 'openline', 'ws', 'ws + bufferutil', 'uWebSockets.js', 'Bun'],
    picture: ['各个库每条消息的 CPU 时间与 openline 之比', 'main.zh-CN.svg'],
    note: (runtime: string, { machine, date }: Publication) =>
      `同一次运行的中位数，${runtime}（uWebSockets.js 在 Node 20 上：npm 上的二进制文件最高支持到它），${date.slice(0, 10)}；${machine.cpu}，${machine.cores} 核，Linux ${machine.kernel.split('-')[0]}。openline 一列是开销本身，其余各列是它的倍数：小于 1 即更省。校验、限制、心跳与背压均开启。`,
    per: { message: 'µs CPU', handshake: 'µs CPU', connection: 'KB' } as Record<string, string>,
    works: {
      row1: '回显，64 个连接，1 条在途，32 B 文本',
      row2: '回显，64 个连接，16 条在途，32 B 文本',
      row3: '回显，64 个连接，16 条在途，1 KB 文本',
      row4: '回显，16 个连接，1 条在途，64 KB 二进制',
      row5: '回显，4 个连接，4 条在途，1 MB 二进制',
      'for-await': '同第 2 行，openline 用 for await，ws 用回调',
      client: '同第 2 行，客户端的 CPU',
      broadcast: '一条 125 B 的消息发给 5,000 个订阅者',
      deflate: '回显，64 个连接，16 条在途，1 KB JSON，压缩，不保留上下文',
      'deflate-takeover': '回显，64 个连接，16 条在途，1 KB JSON，压缩，保留上下文',
      'broadcast-deflate': '一条 1 KB 的 JSON 压缩后发给 5,000 个订阅者',
      handshake: '打开握手',
      memory: '空闲连接的内存，共 10,000 个',
    } as Record<string, string>,
  },
} as const

/** Writes what stands between the marks of a README. */
export function renderBlock(publication: Publication, language: Language): string {
  const { heading, note, picture, per, works } = words[language]
  const rows = publication.rows.flatMap(({ work: name, summaries }) => {
    const work = allWorks.find((one) => one.name === name)!
    const of = (peer: PeerName): Summary | undefined =>
      summaries.find(
        (one) => one.peer === peer && (one.runtime === '' || one.runtime === publication.runtime),
      )
    const own = of('openline')
    if (own === undefined) return []
    const cost = `${formatCost(work, own.cost)} ${per[work.unit]}`
    const ratios = columns.map((peer) => {
      const ratio = of(peer)?.ratio
      return ratio === undefined ? '–' : `${ratio.toFixed(2)} ×`
    })
    return [[works[name] ?? work.title, cost, ...ratios]]
  })
  return [
    `![${picture[0]}](benchmarks/results/published-${picture[1]})`,
    '',
    markdownTable(heading, rows),
    '',
    note(publication.runtime, publication),
  ].join('\n')
}

/** Writes the verdict on each target, as it stands in docs/topics/performance.md. */
export function renderTargets({ verdicts, runtimes }: Publication): string {
  const rows = verdicts.map(({ target, ratios, bounds }) => [
    target.title,
    target.against,
    formatTarget(target),
    ...runtimes.flatMap((runtime) => {
      const ratio = ratios[runtime]
      const word = wordFor(target, ratio)
      return [
        ratio === undefined ? word : `${formatRatio(target, ratio)}, ${word}`,
        formatRatio(target, bounds[runtime]),
      ]
    }),
  ])
  return markdownTable(
    ['work', 'against', 'wanted', ...runtimes.flatMap((runtime) => [runtime, `${runtime} alone`])],
    rows,
    2,
  )
}

/** A work under the profiler. */
export interface ProfiledWork {
  readonly name: string
  readonly title: string
  /** µs of CPU per message. */
  readonly cost: number
  readonly shares: Readonly<Record<string, number>>
}

/** Writes where a message's time goes, as it stands in docs/topics/performance.md. */
export function renderProfile(works: readonly ProfiledWork[]): string {
  const rows = Object.keys(works[0]?.shares ?? {}).map((kind) => [
    kind,
    ...works.map(({ cost, shares }) => (cost * shares[kind]!).toFixed(cost < 10 ? 3 : 1)),
  ])
  rows.push(['all', ...works.map(({ cost }) => cost.toFixed(cost < 10 ? 3 : 1))])
  const heading = ['µs of CPU per message', ...works.map(({ title }) => title.replace('echo, ', ''))]
  return [
    '![Where a message’s time goes](../../benchmarks/results/published-profile.svg)',
    '',
    markdownTable(heading, rows),
  ].join('\n')
}

/** Where published results lie, without an ending. */
export const publishedOutput: string = fileURLToPath(new URL('../results/published', import.meta.url))

/** Gathers what is published of a run: the works that have targets. */
export function makePublication(
  run: { readonly date: Date; readonly machine: Machine; readonly presences: readonly Presence[] },
  works: readonly Work[],
  measurements: readonly Measurement[],
  runtimes: readonly string[],
): Publication {
  const { cpu, cores, kernel } = run.machine
  const runtime = runtimes[0]!
  return {
    runtimes,
    verdicts: judge(works, measurements, runtimes),
    date: run.date.toISOString(),
    machine: { cpu, cores, kernel },
    runtime,
    presences: run.presences,
    rows: works
      .filter(({ name }) => targets.some(({ work }) => work === name))
      .map(({ name }) => ({
        work: name,
        summaries: summarise(
          measurements.filter(({ work }) => work === name),
          'openline',
        ),
      })),
  }
}

/** Writes the table into both README files, and the verdicts into the page on performance. */
export function publish(publication: Publication): void {
  for (const language of ['en', 'zh-CN'] as const) {
    writeBlock(words[language].file, 'benchmark', renderBlock(publication, language))
  }
  writeBlock('docs/topics/performance.md', 'targets', renderTargets(publication))
}
