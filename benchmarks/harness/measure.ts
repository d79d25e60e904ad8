// One measurement: a fresh process, one work, one figure.

import { type Peer, roleUnderTest } from '../peers.ts'
import type { Work } from '../works.ts'
import { tlsEnvironment } from './certificate.ts'
import { type Generator, type LoadResult, type Percentiles, runGenerator, type Timing } from './generator.ts'
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
}

export interface Setting {
  readonly generator: Generator
  readonly timing: Timing
  readonly pin: boolean
}

/** With --pin, so that neither moves the other off its core. */
const subjectCpu = 0
const generatorCpu = 1

/** Starts a peer, puts a work on it and looks at what that cost. Nothing else must run meanwhile. */
export async function measure(work: Work, peer: Peer, node: string, setting: Setting): Promise<Figures> {
  const { generator, timing, pin } = setting
  if (work.tls && generator.noTls !== undefined) throw new Error(generator.noTls)
  const command = peer.command(roleUnderTest(work), node)
  const environment = { WORK: work.handler, ...(work.tls ? tlsEnvironment() : {}) }
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
      { tls: work.tls, cpu: pin ? generatorCpu : undefined },
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
    const { messages, seconds, cpuUtilisation, latency, lateness } = result
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
    }
  } finally {
    await subject?.stop()
  }
}
