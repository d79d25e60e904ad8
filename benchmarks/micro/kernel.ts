// How fast the kernel goes over bytes. OPENLINE_KERNEL=javascript chooses the one without WebAssembly.

import { engine } from '../../src/kernel/engine.ts'
import { type Case, formatSize, measure, report } from './measure.ts'

const SIZES = [8, 32, 125, 1024, 16 * 1024, 64 * 1024, 1024 * 1024]
// A sample must take much longer than looking at the clock.
const BYTES_PER_SAMPLE = 256 * 1024

const { kernel } = engine
let nonAscii = 0

function* cases(): Generator<Case> {
  for (const size of SIZES) {
    const units = Math.min(4096, Math.max(1, BYTES_PER_SAMPLE / size) | 0)
    const start = kernel.readStart
    const end = start + size
    const name = { kernel: kernel.name, size: formatSize(size) }
    yield {
      columns: { ...name, operation: 'unmask' },
      units,
      bytes: size,
      run() {
        for (let count = 0; count < units; count++) {
          if (!kernel.unmask(start, end, 0x12345678)) nonAscii++
        }
      },
    }
    yield {
      columns: { ...name, operation: 'isAscii' },
      units,
      bytes: size,
      run() {
        for (let count = 0; count < units; count++) {
          if (!kernel.isAscii(start, end)) nonAscii++
        }
      },
    }
  }
}

kernel.memory.fill(0x61)
report(await measure(cases()))
// The results are used, so that nothing is optimised away.
if (nonAscii < 0) throw new Error('impossible')
