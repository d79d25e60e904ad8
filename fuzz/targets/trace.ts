// Invariant: any bytes in any chunks give the same lines of a trace as the bytes whole; nothing throws, no line holds what
// a terminal would obey, and the bytes that pass by are not changed.
// Input: setup (1 byte: 1 compression was agreed, 2 each message has an empty window, 4 little is shown), chunk plan (2),
// then what passes by.

import { deflateRawSync } from 'node:zlib'
import { describeTracedFrame } from '../../src/trace/frame-line.ts'
import { FrameReader } from '../../src/trace/frame-reader.ts'
import { concat, InputReader } from '../bytes.ts'
import { anyPlan, BYTE_BY_BYTE, cut, WHOLE } from '../chunker.ts'
import type { Random } from '../random.ts'
import { check, checkEqual, summarise, type Target } from '../target.ts'
import { anyText, anyWire, WIRE_DICTIONARY } from '../wire.ts'

export const trace: Target = {
  name: 'trace',
  dictionary: WIRE_DICTIONARY,

  generate(random) {
    const setup = random.below(8)
    const plan = anyPlan(random)
    const parts: (Uint8Array | number[])[] = [[setup, plan >> 8, plan & 0xff]]
    for (let count = random.between(1, 3); count > 0; count--) {
      if ((setup & 1) === 1 && random.oneIn(2)) parts.push(...compressed(random))
      else parts.push(anyWire(random, styleOf(random)))
    }
    return concat(parts)
  },

  run(input) {
    const reader = new InputReader(input)
    const setup = reader.byte()
    const plan = reader.uint16()
    const wire = reader.rest()
    const [expected, ...others] = [WHOLE, BYTE_BY_BYTE, plan].map((each) =>
      linesOf(setup, cut(wire.slice(), each)),
    )
    for (const lines of others) checkEqual(lines, expected!, 'lines in chunks and whole')
    for (const line of expected!) {
      // Escapes are the printer's for what is not quoted; of quoted payloads nothing may be left.
      check(/^[^\p{C}\p{Zl}\p{Zp}]*$/u.test(line), () => `${JSON.stringify(line)} cannot be printed`)
      check(line.length < 2000, () => `a line has ${line.length} characters`)
    }
    return summarise(
      expected!.map((line) => {
        const [name] = line.split(' ')
        return `${name}${/compressed|came|masked/.exec(line)?.[0] ?? ''}`
      }),
    )
  },
}

function styleOf(random: Random): Parameters<typeof anyWire>[1] {
  return {
    masked: random.oneIn(2),
    faultEvery: random.pick([3, 20, 1000]),
    longestPayload: random.oneIn(30) ? 20_000 : 300,
    mostFrames: 4,
  }
}

/** A compressed message in one frame or two, as servers send it; now and then a broken one. */
function compressed(random: Random): Uint8Array[] {
  const flushed = deflateRawSync(anyText(random, 400, random.oneIn(6)), { finishFlush: 2 })
  const payload = random.oneIn(6) ? random.bytes(random.length(100)) : flushed.subarray(0, flushed.length - 4)
  const place = random.below(payload.length + 1)
  if (random.oneIn(2)) return frameOf(0xc1, payload)
  return [...frameOf(0x41, payload.subarray(0, place)), ...frameOf(0x80, payload.subarray(place))]
}

function frameOf(first: number, payload: Uint8Array): Uint8Array[] {
  return [Uint8Array.of(first, 126, payload.length >> 8, payload.length & 0xff), payload]
}

function linesOf(setup: number, chunks: readonly Uint8Array[]): string[] {
  const maxBytes = (setup & 4) === 4 ? 10 : 75
  const compression = (setup & 1) === 1 ? { keepsWindow: (setup & 2) === 0 } : undefined
  const lines: string[] = []
  const reader = new FrameReader(maxBytes, compression, (frame) => {
    lines.push(describeTracedFrame(frame, maxBytes, false))
  })
  for (const chunk of chunks) {
    const copy = chunk.slice()
    reader.feed(chunk)
    check(Buffer.compare(chunk, copy) === 0, 'the bytes were changed')
    chunk.fill(0x5a)
  }
  reader.close()
  return lines
}
