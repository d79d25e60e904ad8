// The benchmark: every work in turn, every peer in turn at each, one server alone under load at a time.

import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compileGenerator, runGenerator } from './harness/generator.ts'
import { describeMachine } from './harness/machine.ts'
import { type Options, parseOptions } from './harness/options.ts'
import { type Command, startServer } from './harness/process.ts'
import { formatMachine, formatPeers, formatVerdicts, formatWork } from './harness/report.ts'
import { cpuPerMessage, type Measurement, summarise } from './harness/statistics.ts'
import { type Probe, probe } from './peers.ts'
import type { Work } from './works.ts'

/** With --pin, so that neither moves the other off its core. */
const serverCpu = 0
const generatorCpu = 1

try {
  const options = parseOptions(process.argv.slice(2))
  if (options) await main(options)
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}

async function main(options: Options): Promise<void> {
  const { works, rounds, against } = options
  const date = new Date()
  const machine = describeMachine()
  if (options.pin) requirePinning(machine.cores)
  const generator = compileGenerator()
  console.log(formatMachine(machine))

  const probes: Probe[] = []
  for (const peer of options.peers) probes.push(await probe(peer, options.node, 'callback'))
  console.log(`${formatPeers(probes)}\n`)

  const measurements: Measurement[] = []
  const failures: object[] = []
  for (let round = 1; round <= rounds; round++) {
    for (const work of works) {
      for (const { peer, command } of turn(work, probes, round, options)) {
        try {
          const measurement = await measure(generator, work, command, options)
          measurements.push({ work: work.name, peer: peer.name, round, ...measurement })
          progress(`round ${round} of ${rounds}, ${work.name}, ${peer.title}`, measurements.at(-1)!)
        } catch (error) {
          // One peer's failure is a result too, and no reason to throw the others' away.
          failures.push({ work: work.name, peer: peer.name, round, error: (error as Error).message })
          console.error(`round ${round}, ${work.name}, ${peer.title}: ${(error as Error).message}`)
        }
      }
    }
  }

  for (const work of works) console.log(`\n${formatWork(work, probes, measurements, against.name)}`)
  if (measurements.some(({ peer }) => peer === 'openline')) {
    console.log(`\n${formatVerdicts(works, measurements)}`)
  }

  const file = options.json ?? defaultFile(date)
  mkdirSync(dirname(file), { recursive: true })
  const peers = probes.map((probe) => {
    const { name, title } = probe.peer
    if ('reason' in probe) return { name, title, notAvailable: probe.reason }
    return { name, title, version: probe.version, runtime: probe.runtime }
  })
  const summaries = works.map((work) => ({
    ...work,
    summary: summarise(
      measurements.filter((measurement) => measurement.work === work.name),
      against.name,
    ),
  }))
  const { timing, pin } = options
  const report = { date, machine, timing, rounds, pin, against: against.name, peers, works: summaries }
  writeFileSync(file, `${JSON.stringify({ ...report, measurements, failures }, undefined, 2)}\n`)
  console.log(`\nRaw figures: ${file}`)
  if (failures.length > 0) process.exitCode = 1
}

/** The peers of a work in this round's order: each round begins with another, so that none always follows the same. */
function turn(
  work: Work,
  probes: readonly Probe[],
  round: number,
  { node }: Options,
): { peer: Probe['peer']; command: Command }[] {
  const able = probes.flatMap((probe) => {
    if ('reason' in probe || !(work.peers?.includes(probe.peer.name) ?? true)) return []
    // Only openline has a server per style; all others were probed with the one they have.
    const command = probe.peer.name === 'openline' ? probe.peer.commands(node, work.style)[0]! : probe.command
    return [{ peer: probe.peer, command }]
  })
  const first = (round - 1) % Math.max(able.length, 1)
  return [...able.slice(first), ...able.slice(0, first)]
}

/** A fresh process for each measurement: no peer profits or suffers from what it did before. */
async function measure(
  generator: string,
  work: Work,
  command: Command,
  { timing, pin }: Options,
): Promise<Omit<Measurement, 'work' | 'peer' | 'round'>> {
  const server = await startServer(command, pin ? serverCpu : undefined)
  try {
    let before = 0
    const onReady = async (): Promise<void> => {
      before = await server.cpuSeconds()
    }
    const cpu = pin ? generatorCpu : undefined
    const result = await runGenerator(generator, server.port, work.load, timing, onReady, cpu)
    return {
      messages: result.messages,
      seconds: result.seconds,
      serverCpuSeconds: (await server.cpuSeconds()) - before,
      generatorUtilisation: result.cpuUtilisation,
    }
  } finally {
    await server.stop()
  }
}

function progress(text: string, measurement: Measurement): void {
  console.log(`${text}: ${cpuPerMessage(measurement).toFixed(2)} µs`)
}

function requirePinning(cores: number): void {
  if (cores < 2) throw new Error('--pin needs two CPUs.')
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' })
  } catch {
    throw new Error('--pin needs the program taskset, and it is not here.')
  }
}

function defaultFile(date: Date): string {
  const name = date.toISOString().slice(0, 19).replaceAll(':', '-')
  return fileURLToPath(new URL(`results/${name}.json`, import.meta.url))
}
