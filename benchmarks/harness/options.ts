// The command line of the benchmark.

import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type Peer, peers } from '../peers.ts'
import { type Work, works } from '../works.ts'
import type { Timing } from './generator.ts'

export interface Options {
  readonly works: readonly Work[]
  readonly peers: readonly Peer[]
  /** The peer that all others are compared with. */
  readonly against: Peer
  readonly rounds: number
  readonly timing: Timing
  readonly pin: boolean
  readonly node: string
  readonly json?: string
}

const usage = `npm run bench -- [options]

  --quick           3 rounds of 0.8 s instead of 5 of 1.5 s
  --works a,b       only these works: ${works.map(({ name }) => name).join(', ')}
  --peers a,b       only these peers: ${peers.map(({ name }) => name).join(', ')}
  --against PEER    compare with this peer instead of openline
  --rounds N        rounds, 1 to 100
  --seconds S       seconds of each measurement, 0.1 to 60
  --pin             server on CPU 0, load generator on CPU 1 (needs taskset)
  --node FILE       run the Node servers on this Node
  --json FILE       write the raw figures there instead of into results/`

/** Returns the options, or `undefined` if only help was asked for. Throws for what it does not understand. */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean' },
      quick: { type: 'boolean', default: false },
      works: { type: 'string' },
      peers: { type: 'string' },
      against: { type: 'string', default: 'openline' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      pin: { type: 'boolean', default: false },
      node: { type: 'string', default: process.execPath },
      json: { type: 'string' },
    },
  })
  if (values.help) {
    console.log(usage)
    return undefined
  }
  const seconds = number('seconds', values.seconds ?? (values.quick ? '0.8' : '1.5'), 0.1, 60)
  return {
    works: values.works === undefined ? works : pick('work', works, values.works),
    peers: values.peers === undefined ? peers : pick('peer', peers, values.peers),
    against: pick('peer', peers, values.against)[0]!,
    rounds: Math.round(number('rounds', values.rounds ?? (values.quick ? '3' : '5'), 1, 100)),
    timing: { duration: Math.round(seconds * 1000), warmUp: 500 },
    pin: values.pin,
    node: fromCaller(values.node),
    ...(values.json === undefined ? {} : { json: fromCaller(values.json) }),
  }
}

/** npm changes into the package's folder; paths are meant from where the user stands. */
function fromCaller(path: string): string {
  return resolve(process.env.INIT_CWD ?? '.', path)
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
