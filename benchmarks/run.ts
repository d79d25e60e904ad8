// The benchmark: every work in turn, every peer in turn at each, one process alone under load at a time.

import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compileGenerator } from './harness/generator.ts'
import { describeMachine } from './harness/machine.ts'
import { measure, obstacleTo, type Setting } from './harness/measure.ts'
import { type Options, parseOptions } from './harness/options.ts'
import { plot } from './harness/plots.ts'
import { startSubject } from './harness/process.ts'
import { makePublication, publish, publishedOutput } from './harness/publish.ts'
import {
  formatCost,
  formatMachine,
  formatPresence,
  formatVerdicts,
  formatWork,
  type Presence,
} from './harness/report.ts'
import type { Runtime } from './harness/runtimes.ts'
import { type Contestant, type Measurement, summarise } from './harness/statistics.ts'
import { judge } from './harness/verdicts.ts'
import { peers as allPeers, type Peer, type PeerName, takesPart } from './peers.ts'
import { hasTarget } from './targets.ts'
import type { Work } from './works.ts'

/** A peer that can run here, on one of the runtimes. */
interface Entrant extends Contestant {
  readonly title: string
  readonly self: Peer
  readonly node: string
}

try {
  const options = parseOptions(process.argv.slice(2))
  if (options) await main(options)
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}

async function main(options: Options): Promise<void> {
  const { works, against, timing, pin } = options
  const date = new Date()
  const machine = describeMachine()
  if (pin) requirePinning(machine.cores)
  const setting: Setting = { generator: compileGenerator(), timing, pin }
  console.log(formatMachine(machine))
  const obstacles = new Set(works.flatMap((work) => obstacleTo(work, setting.generator) ?? []))
  for (const obstacle of obstacles) console.log(`Some works will fail: ${obstacle}.`)

  const { entrants, presences } = await gather(options)
  console.log(`${formatPresence(presences)}\n`)

  const plan = makePlan(options, entrants)
  const measurements: Measurement[] = []
  const failures: Failure[] = []
  const started = performance.now()
  for (const [index, { work, entrant, round }] of plan.entries()) {
    const what = `round ${round}, ${work.name}, ${entrant.title}`
    const { peer, runtime } = entrant
    try {
      const figures = await measure(work, entrant.self, entrant.node, setting)
      measurements.push({ work: work.name, peer, runtime, round, ...figures })
      const each = (performance.now() - started) / (index + 1)
      const left = Math.ceil((each * (plan.length - index - 1)) / 1000)
      console.log(`${what}: ${formatCost(work, figures.cost)}   (${left} s left)`)
    } catch (error) {
      // One peer's failure is a result too, and no reason to throw the others' away.
      failures.push({ work: work.name, peer, runtime, round, error: (error as Error).message })
      console.error(`${what}: ${(error as Error).message}`)
    }
  }

  const titles = new Map<PeerName, string>(allPeers.map(({ name, title }) => [name, title]))
  for (const work of works) console.log(`\n${formatWork(work, measurements, against, titles)}`)
  const runtimes = options.runtimes.map(({ title }) => title)
  const verdicts = judge(works, measurements, runtimes)
  if (verdicts.length > 0) console.log(`\n${formatVerdicts(verdicts, runtimes)}`)

  const output = options.publish ? publishedOutput : (options.output ?? defaultOutput(date))
  mkdirSync(dirname(output), { recursive: true })
  const summaries = works.map((work) => ({
    ...work,
    summary: summarise(
      measurements.filter((measurement) => measurement.work === work.name),
      against,
    ),
  }))
  const settings = { timing, rounds: options.rounds, pin, against }
  const publication = makePublication({ date, machine, presences }, works, measurements, runtimes)
  const report = { publication, machine, settings, works: summaries, measurements, failures }
  writeFileSync(`${output}.json`, `${JSON.stringify(report, undefined, 2)}\n`)
  const pictures = plot(works, measurements, titles, runtimes)
  for (const [name, svg] of pictures) writeFileSync(`${output}-${name}.svg`, svg)
  console.log(`\nRaw figures: ${output}.json`)
  if (pictures.size > 0) console.log(`Plots: ${[...pictures.keys()].map((name) => `${name}.svg`).join(', ')}`)
  if (options.publish) {
    publish(publication)
    console.log('Published into the README files and docs/topics/performance.md.')
  }
  if (failures.length > 0) process.exitCode = 1
}

interface Failure extends Contestant {
  readonly work: string
  readonly round: number
  readonly error: string
}

/** Starts each peer once to see whether it runs here, and what it says of itself. */
async function gather({ peers, runtimes }: Options): Promise<{ entrants: Entrant[]; presences: Presence[] }> {
  const entrants: Entrant[] = []
  const presences: Presence[] = []
  for (const self of peers) {
    const places: (Runtime | undefined)[] = self.isOnNode ? [...runtimes] : [undefined]
    for (const place of places) {
      const title = place === undefined ? self.title : `${self.title}, ${place.title}`
      const node = place?.file ?? process.execPath
      try {
        const command = self.command(self.roles[0]!, node)
        // A client that is only asked for its name connects to nobody.
        const subject = await startSubject(command, { URL: '', CONNECTIONS: '0', IN_FLIGHT: '0', SIZE: '0' })
        await subject.stop()
        entrants.push({ peer: self.name, runtime: place?.title ?? '', title, self, node })
        presences.push({ title, text: `${subject.version} on ${subject.runtime}` })
      } catch (error) {
        // Results are published; where the project lies on this machine is nobody's business.
        const folder = fileURLToPath(new URL('..', import.meta.url))
        presences.push({ title, text: `not available: ${(error as Error).message.replaceAll(folder, '')}` })
      }
    }
  }
  return { entrants, presences }
}

interface Turn {
  readonly work: Work
  readonly entrant: Entrant
  readonly round: number
}

/** Round by round, work by work; each round begins with another peer, so that none always follows the same. */
function makePlan({ works, rounds }: Options, entrants: readonly Entrant[]): Turn[] {
  const plan: Turn[] = []
  for (let round = 1; round <= Math.max(rounds.main, rounds.other); round++) {
    for (const work of works) {
      const isMain = hasTarget(work.name)
      if (round > (isMain ? rounds.main : rounds.other)) continue
      // What has no target is looked at on the first runtime only.
      const first = entrants.find(({ runtime }) => runtime !== '')?.runtime
      const able = entrants.filter(
        ({ self, runtime }) => takesPart(self, work) && (isMain || runtime === '' || runtime === first),
      )
      const start = (round - 1) % Math.max(able.length, 1)
      for (const entrant of [...able.slice(start), ...able.slice(0, start)]) {
        plan.push({ work, entrant, round })
      }
    }
  }
  return plan
}

function requirePinning(cores: number): void {
  if (cores < 2) throw new Error('--pin needs two CPUs.')
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' })
  } catch {
    throw new Error('--pin needs the program taskset, and it is not here.')
  }
}

function defaultOutput(date: Date): string {
  const name = date.toISOString().slice(0, 19).replaceAll(':', '-')
  return fileURLToPath(new URL(`results/${name}`, import.meta.url))
}
