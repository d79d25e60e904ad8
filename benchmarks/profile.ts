// Where a message's time goes: runs openline's echo under Linux's perf, sorts the samples by what they were spent on,
// and draws them. CPU time per message comes from measurements without the profiler. V8's own profiler is no help here:
// on two busy cores its samples are taken when the process enters the system, and say "write" nearly always.
//   npm run profile [-- --publish]     needs perf (Debian: linux-perf)

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { writeBlock } from './harness/blocks.ts'
import { compileGenerator } from './harness/generator.ts'
import { describeMachine } from './harness/machine.ts'
import { measure } from './harness/measure.ts'
import { draw } from './harness/plots.ts'
import { type ProfiledWork, renderProfile } from './harness/publish.ts'
import { defaultRuntimes } from './harness/runtimes.ts'
import { median } from './harness/statistics.ts'
import { type Peer, peers } from './peers.ts'
import { works } from './works.ts'

interface Kind {
  readonly title: string
  readonly color: string
  /** Where the stack shows it: the innermost frame is the system's and one of these frames is there, … */
  readonly call?: RegExp
  /** … or one of these frames is there, … */
  readonly frame?: RegExp
  /** … or the innermost frame is this. */
  readonly leaf?: RegExp
}

/** What a sample can be spent on. The first that fits counts. */
const kinds: readonly Kind[] = [
  { title: 'system: wait for input', color: '#c3cad3', call: /epoll/ },
  { title: 'system: write', color: '#6b7785', call: /ksys_write|do_writev|sys_send|_libc_write|__writev/ },
  { title: 'system: read', color: '#9aa5b1', call: /ksys_read|do_readv|sys_recv|^read |_libc_read/ },
  { title: 'system: other', color: '#4a5560', call: /./ },
  {
    title: 'garbage collection',
    color: '#b5483a',
    frame: /Heap::|Scaveng|ConcurrentMarking|MarkCompact|Sweep|IncrementalMarking/,
  },
  { title: 'unmasking, in WebAssembly', color: '#2ca58d', leaf: /JS:wasm-function/ },
  { title: 'text decoded to strings', color: '#84c5b1', frame: /StringSlice/ },
  { title: 'strings encoded', color: '#e8a33d', frame: /WriteString|StringWrite/ },
  {
    title: 'messages copied to be given away',
    color: '#e0c341',
    leaf: /memmove|malloc|_int_free|Builtins_\w*TypedArray|ArrayBuffer::|BackingStore/,
  },
  { title: 'openline’s JavaScript', color: '#0b6e4f', leaf: /JS:.*\/dist\// },
  { title: 'Node: event loop, callbacks, handles', color: '#7a6f9b', leaf: /./ },
]
const timing = { duration: 3000, warmUp: 1000 }
/** Samples a second. */
const frequency = 5000
const names = ['row1', 'row2', 'row3', 'row4', 'row5']
const rounds = 3

const publish = process.argv.includes('--publish')
const generator = compileGenerator()
const [runtime] = defaultRuntimes()
const openline = peers.find(({ name }) => name === 'openline')!
const results: ProfiledWork[] = []
for (const name of names) {
  const work = works.find((one) => one.name === name)!
  const setting = { generator, timing, pin: false }
  const costs: number[] = []
  for (let round = 0; round < rounds; round++) {
    costs.push((await measure(work, openline, runtime!.file, setting)).cost)
  }
  const folder = mkdtempSync(`${tmpdir()}/openline-profile-`)
  try {
    const file = `${folder}/perf.data`
    await measure(work, underPerf(openline, file), runtime!.file, setting)
    results.push({ name, title: work.title, cost: median(costs), shares: await sortSamples(file) })
  } finally {
    rmSync(folder, { recursive: true })
  }
  const { cost, shares, title } = results.at(-1)!
  console.log(`\n${title}: ${cost.toFixed(2)} µs`)
  for (const { title } of kinds) console.log(`  ${(100 * shares[title]!).toFixed(1).padStart(5)} %  ${title}`)
}

const picture = draw(860, 420, {
  title: {
    text: `Where a message’s time goes, on ${runtime!.title}`,
    left: 'center',
    textStyle: { fontSize: 14 },
  },
  legend: { top: 32, itemGap: 26, textStyle: { fontSize: 11 } },
  grid: { left: 250, right: 30, top: 130, bottom: 30 },
  xAxis: { type: 'value', max: 100, axisLabel: { formatter: '{value} %' } },
  yAxis: {
    type: 'category',
    inverse: true,
    data: results.map(({ title, cost }) => `${title.replace('echo, ', '')}\n${cost.toFixed(2)} µs`),
    axisLabel: { fontSize: 11 },
  },
  series: kinds.map(({ title, color }) => ({
    name: title,
    type: 'bar' as const,
    stack: 'all',
    itemStyle: { color },
    data: results.map(({ shares }) => Number((100 * shares[title]!).toFixed(1))),
  })),
})

const folder = fileURLToPath(new URL('results/', import.meta.url))
mkdirSync(folder, { recursive: true })
const output = `${folder}${publish ? 'published-profile' : 'profile'}`
const { cpu, cores, kernel } = describeMachine()
writeFileSync(`${output}.svg`, picture)
writeFileSync(
  `${output}.json`,
  `${JSON.stringify({ date: new Date(), machine: { cpu, cores, kernel }, runtime: runtime!.title, results }, undefined, 2)}\n`,
)
console.log(`\n${output}.svg`)
if (publish) writeBlock('docs/topics/performance.md', 'profile', renderProfile(results))

function underPerf(peer: Peer, file: string): Peer {
  return {
    ...peer,
    command(role, node) {
      const command = peer.command(role, node)
      const record = ['record', '-q', '-F', String(frequency), '-e', 'cpu-clock', '-g', '-o', file, '--']
      return {
        ...command,
        file: 'perf',
        args: [...record, command.file, '--perf-basic-prof', ...command.args],
      }
    },
  }
}

/** Sorts the samples of the time under load, and returns each kind's share. */
async function sortSamples(file: string): Promise<Record<string, number>> {
  const script = spawn('perf', ['script', '-i', file, '-F', 'time,ip,sym,dso'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const exited = once(script, 'exit')
  const samples: { readonly time: number; readonly title: string }[] = []
  let time = 0
  let stack: string[] = []
  for await (const line of createInterface({ input: script.stdout })) {
    if (line === '') {
      if (stack.length > 0) samples.push({ time, title: titleOf(stack) })
      stack = []
    } else if (/^\s*\d+\.\d+:\s*$/.test(line)) {
      time = Number.parseFloat(line)
    } else {
      stack.push(line.trim().replace(/^[0-9a-f]+ /, ''))
    }
  }
  await exited
  if (samples.length === 0) throw new Error('perf has taken no samples')
  // The process is stopped right after the load: what lies before it is start and warm-up.
  const from = samples.at(-1)!.time - timing.duration / 1000
  const counted = samples.filter(({ time }) => time >= from)
  const shares = Object.fromEntries(kinds.map(({ title }) => [title, 0])) as Record<string, number>
  for (const { title } of counted) shares[title]! += 1 / counted.length
  return shares
}

function titleOf(stack: readonly string[]): string {
  const [leaf = ''] = stack
  const isSystem = leaf.includes('[kernel')
  const has = (pattern: RegExp | undefined): boolean =>
    pattern !== undefined && stack.some((frame) => pattern.test(frame))
  const kind = kinds.find(
    ({ call, frame, leaf: innermost }) =>
      (isSystem && has(call)) || has(frame) || (innermost?.test(leaf) ?? false),
  )
  return kind!.title
}
