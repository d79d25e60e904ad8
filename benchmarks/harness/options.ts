// The command line of the benchmark.

import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type Peer, type PeerName, peers } from '../peers.ts'
import { targets } from '../targets.ts'
import { type Work, works } from '../works.ts'
import type { Timing } from './generator.ts'
import { asRuntime, defaultRuntimes, type Runtime } from './runtimes.ts'

export interface Options {
  readonly works: readonly Work[]
  readonly peers: readonly Peer[]
  /** The peer that all others are compared with. */
  readonly against: PeerName
  /** Rounds of the works with targets, and of all others. */
  readonly rounds: { readonly main: number; readonly other: number }
  readonly timing: Timing
  readonly pin: boolean
  readonly runtimes: readonly Runtime[]
  /** Where the results go, without an ending. */
  readonly output?: string
  readonly publish: boolean
}

const groups = [...new Set(works.map(({ group }) => group))]

const usage = `npm run bench -- [options]

  --quick           only the works of the group main, on one Node, in 2 short rounds: within 3 minutes
  --works a,b       only these works or groups of works
                    groups: ${groups.join(', ')}
                    works:  ${works
                      .filter(({ group }) => group === 'main')
                      .map(({ name }) => name)
                      .join(', ')}, … (--list shows all)
  --list            show all works
  --peers a,b       only these peers: ${peers.map(({ name }) => name).join(', ')}
  --against PEER    compare with this peer instead of openline
  --rounds N[,M]    rounds of the works with targets, and of the others, each 1 to 100 (5,3)
  --seconds S       seconds of each measurement, 0.1 to 60
  --pin             process under test on CPU 0, load generator on CPU 1 (needs taskset)
  --node FILE       run what runs on Node on this one; can be given several times
  --output FILE     write the results there (FILE.json, FILE-….svg) instead of into results/
  --publish         write to results/published… and into the README files`

/** Returns the options, or `undefined` if only help was asked for. Throws for what it does not understand. */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean' },
      list: { type: 'boolean' },
      quick: { type: 'boolean', default: false },
      works: { type: 'string' },
      peers: { type: 'string' },
      against: { type: 'string', default: 'openline' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      pin: { type: 'boolean', default: false },
      node: { type: 'string', multiple: true },
      output: { type: 'string' },
      publish: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    return undefined
  }
  if (values.list) {
    for (const { name, group, title } of works) console.log(`${name.padEnd(28)} ${group.padEnd(12)} ${title}`)
    return undefined
  }
  const { quick } = values
  const seconds = number('seconds', values.seconds ?? (quick ? '0.6' : '1.5'), 0.1, 60)
  const [main = '', other = main] = (values.rounds ?? (quick ? '2' : '5,3')).split(',')
  const rounds = (text: string): number => Math.round(number('rounds', text, 1, 100))
  const runtimes = values.node?.map((file) => asRuntime(fromCaller(file))) ?? defaultRuntimes()
  return {
    works: pickWorks(values.works ?? (quick ? 'main' : undefined)),
    peers: values.peers === undefined ? (quick ? forTargets() : peers) : pick('peer', peers, values.peers),
    against: pick('peer', peers, values.against)[0]!.name,
    rounds: { main: rounds(main), other: rounds(other) },
    timing: { duration: Math.round(seconds * 1000), warmUp: quick ? 400 : 500 },
    pin: values.pin,
    runtimes: quick ? runtimes.slice(0, 1) : runtimes,
    ...(values.output === undefined ? {} : { output: fromCaller(values.output) }),
    publish: values.publish,
  }
}

/** npm changes into the package's folder; paths are meant from where the user stands. */
function fromCaller(path: string): string {
  return resolve(process.env.INIT_CWD ?? '.', path)
}

/** The peers that targets speak of, and the bound of all that run on Node. */
function forTargets(): Peer[] {
  const names = new Set<PeerName>(['openline', 'node-alone', ...targets.flatMap((target) => target.peers)])
  return peers.filter(({ name }) => names.has(name))
}

function pickWorks(list: string | undefined): readonly Work[] {
  if (list === undefined) return works
  return list.split(',').flatMap((name) => {
    const found = works.filter((work) => work.name === name || work.group === name)
    if (found.length === 0) throw new Error(`There is no work or group ${name}; --list shows all.`)
    return found
  })
}

function pick<T extends { readonly name: string }>(what: string, all: readonly T[], list: string): T[] {
  return list.split(',').map((name) => {
    const found = all.find((one) => one.name === name)
    if (!found) {
      throw new Error(`There is no ${what} ${name}; there are ${all.map((one) => one.name).join(', ')}.`)
    }
    return found
  })
}

function number(name: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (!(value >= least && value <= most)) throw new Error(`--${name} must be from ${least} to ${most}.`)
  return value
}
