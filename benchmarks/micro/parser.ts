// How long a message takes from the bytes of a read to the handler. Each read is copied into the kernel's memory
// first, as the system does for a socket: unmasking works in place, so the bytes of one read serve only once.

import { engine } from '../../src/kernel/engine.ts'
import { defaultLimits } from '../../src/protocol/limits.ts'
import { ByteOutput } from '../../src/protocol/output.ts'
import { Protocol } from '../../src/protocol/protocol.ts'
import { type Case, formatSize, measure, report } from './measure.ts'
import { payloads, wireOf } from './payloads.ts'

const FRAMES_PER_READ = [1, 64]
const MESSAGES_PER_SAMPLE = 256

const { kernel, platform, maskingKeys } = engine
let messages = 0

function* cases(): Generator<Case> {
  for (const { kind, size, content } of payloads) {
    for (const masked of [true, false]) {
      for (const framesPerRead of FRAMES_PER_READ) {
        const protocol = createProtocol(masked)
        const reads = readsOf(wireOf(content, framesPerRead, masked))
        const rounds = Math.max(1, MESSAGES_PER_SAMPLE / framesPerRead / (size > 4096 ? 4 : 1)) | 0
        const units = rounds * framesPerRead
        const run = (): void => {
          for (let round = 0; round < rounds; round++) {
            for (const read of reads) {
              kernel.memory.set(read, kernel.readStart)
              protocol.receiveRead(read.length)
            }
          }
        }
        assertParsed(run, units)
        yield {
          columns: {
            size: formatSize(size),
            payload: kind,
            masked: masked ? 'masked' : 'plain',
            reads: `${framesPerRead} per read`,
          },
          units,
          run,
        }
      }
    }
  }
}

function createProtocol(masked: boolean): Protocol {
  return new Protocol({
    role: masked ? 'server' : 'client',
    kernel,
    platform,
    limits: defaultLimits('server'),
    output: new ByteOutput(),
    maskingKeys,
    handler: {
      onMessage() {
        messages++
      },
      onPing() {},
      onPong() {},
      onClose() {},
      onFailure(error) {
        throw error
      },
    },
  })
}

/** Cut what does not fit into one read. */
function readsOf(wire: Uint8Array): Uint8Array[] {
  const reads: Uint8Array[] = []
  for (let start = 0; start < wire.length; start += kernel.readSize) {
    reads.push(wire.subarray(start, start + kernel.readSize))
  }
  return reads
}

function assertParsed(run: () => void, expected: number): void {
  messages = 0
  run()
  if (messages !== expected) throw new Error(`${messages} messages were parsed instead of ${expected}`)
}

report(await measure(cases()))
