// One measurement: a fresh process, one work, one figure.

import { type Peer, roleUnderTest } from '../peers.ts'
import type { Work } from '../works.ts'
import { tlsEnvironment } from './certificate.ts'
import {
  type CompressionFigures,
  type Generator,
  type LoadResult,
  type Percentiles,
  runGenerator,
  type Timing,
} from './generator.ts'
import { type CpuTime, startSubject } from './process.ts'

/** What one measurement gives. */
export interface Figures {
  /** What the work costs: µs of CPU a message, bytes a connection, or µs of latency at the 99th percentile. */
  readonly cost: number
  readonly messages: number
  readonly seconds: number
  /** Of the process under test, in seconds. */
  readonly cpu: CpuTime
  readonly generatorUtilisation: number
  readonly latency?: Percentiles
  readonly lateness?: LoadResult['lateness']
  readonly compression?: CompressionFigures
}

export interface Setting {
  readonly generator: Generator
  readonly timing: Timing
  readonly pin: boolean
}

/** With --pin, so that neither moves the other off its core. */
const subjectCpu = 0
const generatorCpu = 1

/** Tells why a work cannot be measured here, if it cannot. */
export function obstacleTo(work: Work, generator: Generator): string | undefined {
  if (work.tls && generator.noTls !== undefined) return generator.noTls
  if (work.compression !== undefined) return generator.noCompression
  return undefined
}

/** Starts a peer, puts a work on it and looks at what that cost. Nothing else must run meanwhile. */
export async function measure(work: Work, peer: Peer, node: string, setting: Setting): Promise<Figures> {
  const { generator, timing, pin } = setting
  const obstacle = obstacleTo(work, generator)
  if (obstacle !== undefined) throw new Error(obstacle)
  const command = peer.command(roleUnderTest(work), node)
  const environment = {
    WORK: work.handler,
    ...(work.tls ? tlsEnvironment() : {}),
    ...(work.compression === undefined ? {} : { COMPRESSION: work.compression }),
  }
  const start = (more: Record<string, string>) =>
    startSubject(command, { ...environment, ...more }, pin ? subjectCpu : undefined)

  let subject = work.mode === 'serve' ? undefined : await start({})
  try {
    const isMemory = work.measure === 'memory'
    let cpuBefore: CpuTime = { user: 0, system: 0 }
    let cpuAfter = cpuBefore
    let memoryBefore = 0
    let memoryAfter = 0
    const result = await runGenerator(
      generator,
      work.mode,
      subject?.port ?? 0,
      work.load,
      timing,
      { tls: work.tls, compression: work.compression, cpu: pin ? generatorCpu : undefined },
      {
        async onListening(port) {
          const { connections, inFlight = 1, size = 0 } = work.load
          subject = await start({
            URL: `ws://127.0.0.1:${port}/`,
            CONNECTIONS: String(connections),
            IN_FLIGHT: String(inFlight),
            SIZE: String(size),
          })
        },
        async onReady() {
          if (isMemory) memoryBefore = await subject!.memory()
          cpuBefore = await subject!.cpuTime()
        },
        async onDone() {
          cpuAfter = await subject!.cpuTime()
          if (isMemory) memoryAfter = await subject!.memory()
        },
      },
    )
    const cpu = { user: cpuAfter.user - cpuBefore.user, system: cpuAfter.system - cpuBefore.system }
    const { messages, seconds, cpuUtilisation, latency, lateness, compression } = result
    const cost = isMemory
      ? (memoryAfter - memoryBefore) / work.load.connections
      : work.measure === 'latency'
        ? latency!.p99
        : ((cpu.user + cpu.system) / messages) * 1e6
    return {
      cost,
      messages,
      seconds,
      cpu,
      generatorUtilisation: cpuUtilisation,
      ...(latency === undefined ? {} : { latency, lateness }),
      ...(compression === undefined ? {} : { compression }),
    }
  } finally {
    await subject?.stop()
  }
}
