// A thread beside the fuzzer: when one run does not end, it writes the input down and ends the process, which
// could not do so itself.

import { writeFileSync } from 'node:fs'
import { workerData } from 'node:worker_threads'

const { shared, path, patienceMs } = workerData
const counters = new Int32Array(shared, 0, 2)
const bytes = new Uint8Array(shared, 8)

for (;;) {
  const runs = Atomics.load(counters, 0)
  // The fuzzer says so when it is done.
  if (runs < 0) break
  // Nobody wakes this up: whether the count changed is looked at now and then.
  Atomics.wait(counters, 0, runs, patienceMs)
  if (runs === 0 || runs !== Atomics.load(counters, 0)) continue
  const hex = Buffer.from(bytes.slice(0, Atomics.load(counters, 1))).toString('hex')
  writeFileSync(path, `# This input was not done after ${patienceMs} ms.\n${hex}\n`)
  writeFileSync(2, `\nan input is not done after ${patienceMs} ms; it is in ${path}\n`)
  process.kill(process.pid, 'SIGKILL')
}
