// Fuzzes targets until their time is up or an invariant breaks.
// usage: npx tsx fuzz/run.ts [target...] [--seconds 30] [--seed N]
//        npx tsx fuzz/run.ts target --input HEX-OR-FILE

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { toHex } from './bytes.ts'
import { parseInput, readCorpus, readInput, saveInput } from './corpus.ts'
import { type Failure, fuzz, type Progress } from './driver.ts'
import { LONGEST_INPUT } from './mutate.ts'
import type { Target } from './target.ts'
import { targets } from './targets.ts'

// No input takes 100 ms; whatever takes this long never ends.
const PATIENCE_MS = 15_000
// A longer command line is better read from the file.
const LONGEST_HEX = 4000

try {
  main()
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '30' },
      seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
      input: { type: 'string' },
    },
  })
  const chosen = positionals.length === 0 ? targets : positionals.map(findTarget)
  if (values.input !== undefined) {
    if (positionals.length !== 1) throw new Error('--input needs exactly one target')
    replay(chosen[0]!, values.input)
    return
  }
  const seconds = readNumber('seconds', values.seconds)
  const seed = readNumber('seed', values.seed)
  for (const target of chosen) {
    if (!fuzzTarget(target, seconds, seed)) process.exitCode = 1
  }
}

function fuzzTarget(target: Target, seconds: number, seed: number): boolean {
  const corpus = readCorpus(target.name).map(({ input }) => input)
  console.log(`${target.name}: seed ${seed}, ${corpus.length} inputs in the corpus, ${seconds} s`)
  const watchdog = startWatchdog(target.name)
  const { failure, ...progress } = fuzz(target, {
    seed,
    seconds,
    corpus,
    onRun: watchdog.watch,
    onProgress: (progress) => showProgress(target, progress, '\r'),
  })
  watchdog.stop()
  showProgress(target, progress, '\n')
  if (failure === undefined) return true
  reportFailure(target, failure, seed)
  return false
}

function showProgress({ name }: Target, { runs, seconds, behaviours }: Progress, end: string): void {
  const rate = Math.round(runs / Math.max(seconds, 0.001))
  const line = `${name}: ${Math.round(seconds)} s, ${runs} runs, ${rate}/s, ${behaviours} behaviours`
  // A log file gets the last line only.
  if (end === '\n' || process.stdout.isTTY) process.stdout.write(`${line.padEnd(78)}${end}`)
}

function reportFailure(target: Target, { input, shrunk, error }: Failure, seed: number): void {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
  const path = saveInput(target.name, shrunk, `Found with seed ${seed}.\n${firstLine(message)}`)
  const hex = toHex(shrunk)
  console.error(`\n${target.name}: the invariant does not hold\n${message}\n`)
  console.error(`input (${shrunk.length} bytes, shrunk from ${input.length}): ${hex}`)
  console.error(`saved as ${path}`)
  console.error(
    `again:   npx tsx fuzz/run.ts ${target.name} --input ${hex.length <= LONGEST_HEX ? hex : path}\n`,
  )
}

function replay(target: Target, given: string): void {
  const input = existsSync(given) ? readInput(given) : parseInput(given)
  try {
    console.log(`${target.name}: holds (${target.run(input)})`)
  } catch (error) {
    console.error(error)
    process.exitCode = 1
  }
}

interface Watchdog {
  watch(input: Uint8Array): void
  stop(): void
}

/** Copy each input to where a second thread can save it, should it never end. */
function startWatchdog(name: string): Watchdog {
  const shared = new SharedArrayBuffer(8 + LONGEST_INPUT)
  const counters = new Int32Array(shared, 0, 2)
  const bytes = new Uint8Array(shared, 8)
  const path = fileURLToPath(new URL(`./corpus/${name}-hangs.hex`, import.meta.url))
  const worker = new Worker(new URL('./watchdog.mjs', import.meta.url), {
    workerData: { shared, path, patienceMs: PATIENCE_MS },
    execArgv: [],
  })
  worker.unref()
  return {
    watch(input) {
      bytes.set(input.subarray(0, LONGEST_INPUT))
      counters[1] = Math.min(input.length, LONGEST_INPUT)
      Atomics.add(counters, 0, 1)
    },
    stop() {
      Atomics.store(counters, 0, -1)
      Atomics.notify(counters, 0)
    },
  }
}

function findTarget(name: string): Target {
  const target = targets.find((each) => each.name === name)
  if (target !== undefined) return target
  throw new Error(`there is no target ${name}: choose from ${targets.map((each) => each.name).join(', ')}`)
}

function readNumber(name: string, text: string): number {
  const number = Number(text)
  if (text.trim() !== '' && number >= 0) return number
  throw new Error(`--${name} must be a number, not ${text}`)
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!
}
