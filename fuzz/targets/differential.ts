// Invariant: the same bytes in the same chunks give the same facts and the same output with the JavaScript kernel as
// with the WebAssembly kernel.
// Input: setup (3 bytes), chunk plan (2), then what the peer sends.

import { createWasmKernel } from '../../src/kernel/wasm-kernel.ts'
import { createJavaScriptKernel, type Kernel } from '../../src/protocol/kernel.ts'
import { concat, InputReader } from '../bytes.ts'
import { anyPlan, cut } from '../chunker.ts'
import { readSetup, Session, type SessionSetup } from '../session.ts'
import { check, checkEqual, type Target } from '../target.ts'
import { anyWire, WIRE_DICTIONARY } from '../wire.ts'

const READ_SIZE = 8192

const javaScript = createJavaScriptKernel(READ_SIZE)
const wasm = createWasmKernel(READ_SIZE)

export const differential: Target = {
  name: 'differential',
  dictionary: WIRE_DICTIONARY,

  generate(random) {
    const features = random.oneIn(2) ? random.below(2) : random.below(256)
    const limits = random.oneIn(2) ? 0 : random.below(32)
    const plan = random.oneIn(3) ? 0 : anyPlan(random)
    const wire = anyWire(random, {
      masked: (features & 1) === 0,
      faultEvery: random.pick([5, 1000]),
      longestPayload: 4000,
      mostFrames: 5,
    })
    return concat([[features, limits, 0, plan >> 8, plan & 0xff], wire])
  },

  run(input) {
    check(wasm !== undefined, 'this runtime has no WebAssembly with SIMD')
    const reader = new InputReader(input)
    const setup = readSetup(reader)
    const plan = reader.uint16()
    const wire = reader.rest()
    const [expected, expectedOutput] = runWith(javaScript, setup, wire, plan)
    const [actual, actualOutput] = runWith(wasm, setup, wire, plan)
    checkEqual(actual.facts, expected.facts, 'facts with WebAssembly and JavaScript')
    checkEqual([actualOutput], [expectedOutput], 'output with WebAssembly and JavaScript')
    return expected.describe()
  },
}

function runWith(kernel: Kernel, setup: SessionSetup, wire: Uint8Array, plan: number): [Session, string] {
  // What another connection read before must make no difference.
  kernel.memory.fill(kernel.name === 'wasm' ? 0xff : 0)
  const session = new Session(setup, kernel)
  for (const chunk of cut(wire, plan)) session.protocol.receiveData(chunk)
  return [session, session.finish()]
}
