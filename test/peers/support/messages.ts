// The messages that every peer must carry unharmed, and the codes and reasons with which both ends close.

import { expect } from 'vitest'
import { pattern } from '../../support/bytes.ts'

/** Texts and bytes of every kind and length that has broken somebody's code; 1 MiB is what servers take at most. */
export const MESSAGES: readonly (readonly [name: string, message: string | Uint8Array])[] = [
  ['ASCII', 'Hello, World'],
  ['Chinese', '你好，世界'],
  ['emoji', '😀👩‍👩‍👧‍👦 🇨🇳'],
  ['an empty text', ''],
  ['bytes', Uint8Array.of(0, 1, 127, 128, 254, 255)],
  ['no bytes', new Uint8Array(0)],
  ['126 bytes', pattern(126)],
  ['64 KiB - 1', pattern(65_535)],
  ['64 KiB', pattern(65_536)],
  ['a text of 64 KiB + 1', 'a'.repeat(65_537)],
  ['1 MiB', pattern(1024 * 1024)],
  ['a text of 1 MiB', '四字😀..'.repeat((1024 * 1024) / 12)],
]

/** Expect a message to be the same; by ourselves, since `toEqual` needs seconds for 1 MiB. */
export function expectSame(actual: unknown, expected: string | Uint8Array, what = 'the message'): void {
  const isSame =
    typeof expected === 'string'
      ? actual === expected
      : actual instanceof Uint8Array && Buffer.compare(actual, expected) === 0
  if (!isSame) expect.fail(`${what} came back as ${describe(actual)} instead of ${describe(expected)}`)
}

function describe(message: unknown): string {
  if (message instanceof Uint8Array) return `${message.length} bytes ${message.slice(0, 20).join(' ')} …`
  return `${typeof message} ${String(message).slice(0, 60)} …`
}

type Close = readonly [what: string, code: number, reason: string]

/** Closes that a client begins. */
export const CLIENT_CLOSES: readonly Close[] = [
  ['1000', 1000, ''],
  ['1000 and a reason', 1000, 'all done'],
  ['3000 and a reason beyond ASCII', 3000, '再见 👋'],
  ['4999 and the longest reason', 4999, `${'x'.repeat(120)}end`],
]

/** Closes that a server begins. */
export const SERVER_CLOSES: readonly Close[] = [
  ['1000', 1000, ''],
  ['1011 and a reason', 1011, 'the server failed'],
  ['3001 and a reason beyond ASCII', 3001, '再见 👋'],
  ['4000 and the longest reason', 4000, `${'y'.repeat(120)}end`],
]
