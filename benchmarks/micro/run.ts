// Runs the micro-benchmarks and prints a table for each subject. They say where time goes inside; what the library is
// worth, the benchmarks against other libraries say.
// usage: npx tsx benchmarks/micro/run.ts [kernel|parser|serializer|inflater...] [--time 300]

import { fork } from 'node:child_process'
import { cpus, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { formatTable, type Result } from './measure.ts'

const SUBJECTS = {
  kernel: { title: 'Kernel: one call', kernels: ['wasm', 'javascript'] },
  parser: { title: 'Parser: one message in', kernels: ['wasm'] },
  serializer: { title: 'Serializer: one message out', kernels: ['wasm'] },
  inflater: { title: 'Inflater: one compressed message', kernels: ['wasm', 'javascript'] },
} as const

type Subject = keyof typeof SUBJECTS

const { values, positionals } = parseArgs({
  allowPositionals: true,
  // Milliseconds for each row.
  options: { time: { type: 'string', default: '300' } },
})
const chosen = positionals.length === 0 ? (Object.keys(SUBJECTS) as Subject[]) : positionals.map(readSubject)

const load = loadavg()[0]!.toFixed(1)
console.log(`${cpus()[0]?.model}, ${cpus().length} cores, load ${load}, Node ${process.version}`)
for (const subject of chosen) {
  const { title, kernels } = SUBJECTS[subject]
  const results: Result[] = []
  for (const kernel of kernels) results.push(...(await runSubject(subject, kernel)))
  console.log(`\n${title}\n${formatTable(results)}`)
}

function runSubject(subject: Subject, kernel: string): Promise<Result[]> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL(`./${subject}.ts`, import.meta.url)), {
      env: { ...process.env, OPENLINE_KERNEL: kernel, BENCH_TIME_MS: values.time },
    })
    let results: Result[] | undefined
    child.on('message', (message) => {
      results = message as Result[]
    })
    child.on('error', reject)
    child.on('exit', (code) => {
      if (results !== undefined && code === 0) resolve(results)
      else reject(new Error(`${subject} ended with code ${code}`))
    })
  })
}

function readSubject(name: string): Subject {
  if (name in SUBJECTS) return name as Subject
  throw new Error(`there is no subject ${name}: choose from ${Object.keys(SUBJECTS).join(', ')}`)
}
