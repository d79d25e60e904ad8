// How long it takes to write a message as a frame. The output is memory that is used over and over; what a socket
// costs on top is the business of the benchmarks against other libraries.

import { engine } from '../../src/kernel/engine.ts'
import { FrameSerializer } from '../../src/protocol/frame-serializer.ts'
import type { Output } from '../../src/protocol/output.ts'
import { type Case, formatSize, measure, report } from './measure.ts'
import { payloads, writeFrame } from './payloads.ts'

const MESSAGES_PER_SAMPLE = 256

/** Begin anew whenever the memory is full. */
class LoopOutput implements Output {
  readonly isBackedUp = false
  readonly bytes = new Uint8Array(256 * 1024)
  #length = 0

  reserve(size: number): number {
    if (this.#length + size > this.bytes.length) this.#length = 0
    return this.#length
  }

  commit(end: number): void {
    this.#length = end
  }

  appendByReference(): void {}
}

function* cases(): Generator<Case> {
  for (const { kind, size, content } of payloads) {
    for (const role of ['server', 'client'] as const) {
      const keys = role === 'client' ? engine.maskingKeys : undefined
      const serializer = new FrameSerializer(new LoopOutput(), engine.platform, keys)
      yield {
        columns: { size: formatSize(size), payload: kind, role },
        units: MESSAGES_PER_SAMPLE,
        run() {
          for (let count = 0; count < MESSAGES_PER_SAMPLE; count++) writeFrame(serializer, content)
        },
      }
    }
  }
}

report(await measure(cases()))
