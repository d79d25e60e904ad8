// Invariant: any bytes, in any chunks and with any pauses, give the facts that a plain reading of RFC 6455 gives, and the
// same output as the bytes whole; nothing throws, nothing is reported while paused, and memory stays proportional to
// the bytes received.
// Input: setup (3 bytes), chunk plan (2), plan of pauses and re-entrance (2), then what the peer sends.

import { createJavaScriptKernel, type Kernel } from '../../src/protocol/kernel.ts'
import { concat, InputReader } from '../bytes.ts'
import { anyPlan, cut } from '../chunker.ts'
import { Random } from '../random.ts'
import { referenceFacts } from '../reference.ts'
import { countCopies, readSetup, Session, type SessionSetup } from '../session.ts'
import { check, checkEqual, type Target } from '../target.ts'
import { anyWire, WIRE_DICTIONARY } from '../wire.ts'

const largeKernel = createJavaScriptKernel(256 * 1024)
const smallKernels = [64, 300, 4096].map((size) => createJavaScriptKernel(size))

/** How a protocol gets a chunk. */
export type Feed = (session: Session, kernel: Kernel, chunk: Uint8Array, random: Random) => void

/** Give a chunk as either kind of transport does. */
function feedProtocol(
  { protocol, isPaused }: Session,
  kernel: Kernel,
  chunk: Uint8Array,
  random: Random,
): void {
  // Sockets read into the kernel's memory, but only while nobody works in it.
  if (
    !kernel.busy &&
    chunk.length <= kernel.readSize &&
    (isPaused || !protocol.hasBacklog) &&
    random.oneIn(2)
  ) {
    kernel.memory.set(chunk, kernel.readStart)
    protocol.receiveRead(chunk.length)
  } else {
    protocol.receiveData(chunk)
    // Whoever lent the chunk may write to it again.
    chunk.fill(0x5a)
  }
}

/** Make the target; tests give it a `feed` with a fault. */
export function createFramesTarget(feed: Feed = feedProtocol): Target {
  return {
    name: 'frames',
    dictionary: WIRE_DICTIONARY,

    generate(random) {
      const features = random.oneIn(2) ? random.below(2) : random.below(256)
      const limits = random.oneIn(2) ? 0 : random.below(32)
      const endings = random.oneIn(4) ? random.below(256) : 0
      const plan = anyPlan(random)
      const wire = anyWire(random, {
        masked: (features & 1) === 0,
        faultEvery: random.pick([3, 20, 1000]),
        longestPayload: random.oneIn(30) ? 40_000 : 400,
        mostFrames: 8,
      })
      const pauses = random.oneIn(3) ? 0 : random.below(0x10000)
      return concat([[features, limits, endings, plan >> 8, plan & 0xff, pauses >> 8, pauses & 0xff], wire])
    },

    run(input) {
      const reader = new InputReader(input)
      const setup = readSetup(reader)
      const plan = reader.uint16()
      const pauses = reader.uint16()
      const wire = reader.rest()

      const whole = new Session(setup, largeKernel)
      whole.protocol.receiveData(wire)
      const expected = whole.finish()
      check(whole.allocated <= 16 * wire.length + 1024, () => `${whole.allocated} bytes for ${wire.length}`)
      if (setup.extensions.length === 0 && setup.failAfter === 0) {
        const facts = whole.facts.slice(0, -1).map((fact) => fact.replace(/^(WS_\w+) .*$/s, '$1'))
        checkEqual(facts, referenceFacts(setup, wire), 'facts of the protocol and of the reference')
      }

      const [session, output] = runInChunks(setup, wire, plan, pauses, feed)
      checkEqual(session.facts, whole.facts, 'facts in chunks and whole')
      checkEqual([output], [expected], 'output in chunks and whole')
      return whole.describe()
    },
  }
}

function runInChunks(
  setup: SessionSetup,
  wire: Uint8Array,
  plan: number,
  pauses: number,
  feed: Feed,
): [Session, string] {
  const random = new Random(pauses)
  const kernel = countCopies(smallKernels[pauses % smallKernels.length]!)
  const chunks = cut(wire, plan)
  const session = new Session(setup, kernel)
  let next = 0
  const feedNext = (): void => {
    const chunk = chunks[next++]
    if (chunk !== undefined) feed(session, kernel, chunk, random)
  }
  const pause = (): void => {
    session.isPaused = true
    session.protocol.pause()
  }
  const resume = (): void => {
    session.isPaused = false
    session.protocol.resume()
  }
  // Plan 0 neither pauses nor re-enters. A handler does one thing now and then; bytes that it brings come later
  // than those that are being parsed.
  if (pauses !== 0) {
    const every = 1 + ((pauses >> 4) & 7)
    session.afterFact = () => {
      if (!random.oneIn(every)) return
      const act = random.below(4)
      if (act === 0) feedNext()
      else if (act === 1) resume()
      else pause()
    }
  }
  while (next < chunks.length) {
    feedNext()
    if (pauses !== 0 && random.oneIn(3)) {
      if (session.isPaused) resume()
      else pause()
    }
  }
  const output = session.finish()
  check(!kernel.busy && kernel.waiting.length === 0, 'the kernel is left busy')
  // Each chunk may leave a part of a header or control frame aside, of 131 bytes at most.
  const copied = session.allocated + kernel.memory.copied
  const bound = 16 * wire.length + 131 * chunks.length + 4096
  check(
    copied <= bound,
    () => `${copied} bytes allocated and copied for ${wire.length} received in ${chunks.length} chunks`,
  )
  return [session, output]
}

export const frames: Target = createFramesTarget()
