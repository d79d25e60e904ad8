// Draws the figures: bars for the works with targets, curves for the works that differ in one number.

import { type EChartsOption, init } from 'echarts'
import type { PeerName } from '../peers.ts'
import type { Group, Work } from '../works.ts'
import type { Language } from './publish.ts'
import { costTitle } from './report.ts'
import { type Measurement, summarise } from './statistics.ts'

/** The same colour for a peer in every picture, told apart without colours by their symbols as well. */
const looks: Readonly<Record<PeerName, { readonly color: string; readonly symbol: string }>> = {
  openline: { color: '#0b6e4f', symbol: 'circle' },
  ws: { color: '#8c8c8c', symbol: 'rect' },
  'ws-bufferutil': { color: '#4d4d4d', symbol: 'diamond' },
  uws: { color: '#2f6fb5', symbol: 'triangle' },
  bun: { color: '#d98f2b', symbol: 'pin' },
  deno: { color: '#7b52ab', symbol: 'arrow' },
  undici: { color: '#b5483a', symbol: 'roundRect' },
  python: { color: '#c9b037', symbol: 'rect' },
  'node-alone': { color: '#1d1d1d', symbol: 'circle' },
}

const texts = {
  en: {
    main: (runtime: string) =>
      `CPU per message, beside openline on ${runtime}: longer is worse; 1 is openline`,
    works: {} as Readonly<Record<string, string>>,
  },
  'zh-CN': {
    main: (runtime: string) => `每条消息的 CPU 时间与 ${runtime} 上的 openline 之比：越长越差，1 即 openline`,
    works: {
      row1: '1 条在途，32 B 文本',
      row2: '16 条在途，32 B 文本',
      row3: '16 条在途，1 KB 文本',
      row4: '1 条在途，64 KB 二进制',
      row5: '4 条在途，1 MB 二进制',
      deflate: '1 KB JSON，压缩',
      'deflate-takeover': '1 KB JSON，压缩，\n保留上下文',
      'broadcast-deflate': '压缩后广播给\n5,000 个订阅者',
      broadcast: '广播给 5,000 个订阅者',
      handshake: '打开握手',
    },
  },
} as const

const shortTitles: Readonly<Record<string, string>> = {
  row1: '1 in flight, 32 B text',
  row2: '16 in flight, 32 B text',
  row3: '16 in flight, 1 KB text',
  row4: '1 in flight, 64 KB binary',
  row5: '4 in flight, 1 MB binary',
  deflate: '1 KB JSON, compressed',
  'deflate-takeover': '1 KB JSON, compressed\nwith takeover',
  'broadcast-deflate': 'broadcast to 5,000,\ncompressed',
  broadcast: 'broadcast to 5,000',
  handshake: 'opening handshake',
}

const axisTitles: Readonly<Partial<Record<Group, string>>> = {
  sizes: 'bytes of a message',
  'in flight': 'messages in flight on each connection',
  connections: 'connections',
  subscribers: 'subscribers',
}

const shown: readonly PeerName[] = ['bun', 'uws', 'ws-bufferutil', 'ws']

/** Returns the pictures that these measurements give, by name. */
export function plot(
  works: readonly Work[],
  measurements: readonly Measurement[],
  titles: ReadonlyMap<PeerName, string>,
  runtimes: readonly string[],
): Map<string, string> {
  const pictures = new Map<string, string>()
  const runtime = runtimes[0]!
  for (const language of ['en', 'zh-CN'] as const) {
    const bars = plotMain(works, measurements, titles, runtime, language)
    if (bars !== undefined) pictures.set(language === 'en' ? 'main' : `main.${language}`, bars)
  }
  for (const series of new Set(works.flatMap(({ series }) => series ?? []))) {
    const own = works.filter((work) => work.series === series)
    const curves = plotCurves(own, measurements, titles, runtime)
    if (curves !== undefined) pictures.set(series.replaceAll(' ', '-'), curves)
  }
  return pictures
}

function plotMain(
  works: readonly Work[],
  measurements: readonly Measurement[],
  titles: ReadonlyMap<PeerName, string>,
  runtime: string,
  language: Language,
): string | undefined {
  const rows = works.filter(({ name }) => shortTitles[name] !== undefined)
  const ratios = rows.map(({ name }) =>
    summarise(
      measurements.filter(({ work }) => work === name),
      'openline',
    ),
  )
  const series = shown.flatMap((peer) => {
    const data = ratios.map(
      (summaries) =>
        summaries.find((one) => one.peer === peer && (one.runtime === '' || one.runtime === runtime))?.ratio,
    )
    if (data.every((value) => value === undefined)) return []
    return [
      {
        name: titles.get(peer)!,
        type: 'bar' as const,
        itemStyle: { color: looks[peer].color },
        label: {
          show: true,
          position: 'right' as const,
          fontSize: 10,
          formatter: ({ value }: { value?: unknown }) =>
            typeof value === 'number' ? `${value.toFixed(1)} ×` : '',
        },
        data: data.map((value) => value ?? '-'),
      },
    ]
  })
  if (rows.length < 2 || series.length === 0) return undefined
  const { works: names, main } = texts[language]
  return draw(760, 110 + rows.length * 74, {
    title: { text: main(runtime), left: 'center', textStyle: { fontSize: 14 } },
    legend: { top: 32, itemGap: 28 },
    grid: { left: 190, right: 70, top: 72, bottom: 30 },
    xAxis: { type: 'log', min: 0.1, axisLabel: { formatter: '{value} ×' } },
    yAxis: {
      type: 'category',
      inverse: true,
      data: rows.map(({ name }) => (names as Record<string, string>)[name] ?? shortTitles[name]!),
    },
    series: series.map((one, index) =>
      index > 0
        ? one
        : {
            ...one,
            markLine: {
              symbol: 'none',
              silent: true,
              lineStyle: { color: looks.openline.color, width: 2, type: 'solid' as const },
              label: { formatter: 'openline', color: looks.openline.color },
              data: [{ xAxis: 1 }],
            },
          },
    ),
  })
}

function plotCurves(
  works: readonly Work[],
  measurements: readonly Measurement[],
  titles: ReadonlyMap<PeerName, string>,
  runtime: string,
): string | undefined {
  const points = works.map((work) => ({
    x: work.x!,
    summaries: summarise(
      measurements.filter((measurement) => measurement.work === work.name),
      'openline',
    ),
  }))
  const names = [...titles.keys()].filter((peer) =>
    points.some(({ summaries }) => summaries.some((one) => one.peer === peer)),
  )
  if (points.filter(({ summaries }) => summaries.length > 0).length < 2) return undefined
  const [work] = works
  const categories = points.map(({ x }) => formatNumber(x))
  return draw(640, 420, {
    title: {
      text: `${costTitle(work!)}, ${work!.series}, ${runtime}`,
      left: 'center',
      textStyle: { fontSize: 14 },
    },
    legend: { top: 32, itemGap: 28 },
    grid: { left: 60, right: 30, top: 72, bottom: 50 },
    xAxis: {
      type: 'category',
      name: axisTitles[work!.group] ?? '',
      nameLocation: 'middle',
      nameGap: 30,
      data: categories,
    },
    yAxis: { type: 'log' },
    series: names.map((peer) => ({
      name: titles.get(peer)!,
      type: 'line' as const,
      symbol: looks[peer].symbol,
      symbolSize: 8,
      itemStyle: { color: looks[peer].color },
      lineStyle: { width: peer === 'openline' ? 3 : 1.5 },
      data: points.map(({ summaries }) => summaries.find((one) => one.peer === peer)?.cost ?? '-'),
    })),
  })
}

/** Draws a chart as SVG. */
export function draw(width: number, height: number, option: EChartsOption): string {
  const chart = init(undefined, undefined, { renderer: 'svg', ssr: true, width, height })
  chart.setOption({ animation: false, backgroundColor: '#ffffff', ...option })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return `${svg}\n`
}

function formatNumber(value: number): string {
  if (value >= 1024 * 1024) return `${value / 1024 / 1024} M`
  if (value >= 1024 && value % 1024 === 0) return `${value / 1024} K`
  return value.toLocaleString('en-US')
}
