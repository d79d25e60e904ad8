// Invariant: however bytes are split, the validator equals a fatal TextDecoder: it says no in the first part after which
// nothing could make the bytes valid, not before, and is complete exactly when they are valid.
// Input: chunk plan (2 bytes), then the bytes.

import { nodePlatform } from '../../src/kernel/node-platform.ts'
import { portablePlatform } from '../../src/protocol/platform.ts'
import { Utf8Validator } from '../../src/protocol/utf8.ts'
import { concat, InputReader } from '../bytes.ts'
import { anyPlan, cut } from '../chunker.ts'
import { canBecomeUtf8, decodeFatally } from '../oracle.ts'
import { check, type Target } from '../target.ts'
import { anyText } from '../wire.ts'

const platforms = { node: nodePlatform, portable: portablePlatform }
const validators = {
  node: new Utf8Validator(nodePlatform),
  portable: new Utf8Validator(portablePlatform),
}

export const utf8: Target = {
  name: 'utf8',
  dictionary: ['', 'é', '中', '𝄞', '\ufffd', '\u{10ffff}', 'x'.repeat(40)].map((text) =>
    new TextEncoder().encode(text),
  ),

  generate(random) {
    const plan = anyPlan(random)
    return concat([[plan >> 8, plan & 0xff], anyText(random, 150, random.oneIn(3))])
  },

  run(input) {
    const reader = new InputReader(input)
    const plan = reader.uint16()
    const bytes = reader.rest()
    const chunks = cut(bytes, plan)
    const text = decodeFatally(bytes)
    let behaviour = text === undefined ? 'invalid' : 'valid'

    for (const name of ['node', 'portable'] as const) {
      const validator = validators[name]
      let end = 0
      let isAlive = true
      for (const chunk of chunks) {
        end += chunk.length
        // Not at the memory's beginning, and with bytes around that would be wrong.
        const memory = concat([[0xff, 0x80, 0x80], chunk, [0xff, 0x80]])
        isAlive = validator.validate(memory, 3, 3 + chunk.length)
        const expected = canBecomeUtf8(bytes.subarray(0, end))
        check(isAlive === expected, `${name}: says ${isAlive} after ${end} bytes, and should say ${expected}`)
        if (!isAlive) break
      }
      check((isAlive && validator.isComplete) === (text !== undefined), `${name}: wrong at the end`)
      behaviour += isAlive
        ? validator.isComplete
          ? ' complete'
          : ' incomplete'
        : ` at ${bytes[end - 1]! >> 4}`
      validator.reset()

      const platform = platforms[name]
      check(platform.decodeUtf8(bytes, 0, bytes.length) === text, `${name}: decodes another text`)
      check(platform.isUtf8(bytes, 0, bytes.length) === (text !== undefined), `${name}: isUtf8 is wrong`)
      if (text !== undefined) {
        check(platform.utf8Length(text) === bytes.length, `${name}: counts other bytes`)
        const encoded = new Uint8Array(bytes.length)
        check(platform.encodeUtf8(text, encoded, 0) === bytes.length, `${name}: writes other bytes`)
        check(Buffer.compare(encoded, bytes) === 0, `${name}: encodes other bytes`)
      }
    }
    return behaviour
  },
}
