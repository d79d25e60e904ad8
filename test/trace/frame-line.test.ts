import { describe, expect, test } from 'vitest'
import { describeTracedFrame } from '../../src/trace/frame-line.ts'
import { type FrameFacts, FrameReader } from '../../src/trace/frame-reader.ts'
import { deflate } from '../connection/support.ts'
import { closePayload, concat, frame, header, hex, pattern, RFC_KEY, utf8 } from '../support/bytes.ts'

function line(bytes: Uint8Array, maxBytes = 75, expectsMask = false): string {
  let facts: FrameFacts | undefined
  const reader = new FrameReader(maxBytes, { keepsWindow: true }, (each) => {
    facts = each
  })
  reader.feed(bytes)
  reader.close()
  return describeTracedFrame(facts!, maxBytes, expectsMask)
}

test.each<[string, Uint8Array, string]>([
  ['text', frame(0x81, 'hello'), "TEXT 'hello' [5 bytes]"],
  ['text of other characters', frame(0x81, '你好😀'), "TEXT '你好😀' [10 bytes]"],
  ['no text', frame(0x81), "TEXT '' [0 bytes]"],
  ['a quote', frame(0x81, "it's"), 'TEXT "it\'s" [4 bytes]'],
  ['JSON', frame(0x81, '{"a":"b"}'), 'TEXT \'{"a":"b"}\' [9 bytes]'],
  ['bytes', frame(0x82, hex('00 01 02 ff')), 'BINARY 00 01 02 ff [4 bytes]'],
  ['one byte', frame(0x82, hex('0a')), 'BINARY 0a [1 byte]'],
  ['no bytes', frame(0x82), 'BINARY [0 bytes]'],
  ['a fragment', frame(0x01, 'hel'), "TEXT 'hel' [3 bytes, continued]"],
  ['a ping', frame(0x89, 'ping'), "PING 'ping' [text, 4 bytes]"],
  ['a ping of bytes', frame(0x89, hex('ff 00')), 'PING ff 00 [binary, 2 bytes]'],
  ['an empty ping', frame(0x89), "PING '' [0 bytes]"],
  ['a pong', frame(0x8a, 'ping'), "PONG 'ping' [text, 4 bytes]"],
  ['a continuation of nothing', frame(0x80, 'lo'), "CONT 'lo' [text, 2 bytes]"],
  ['a close', frame(0x88, closePayload(1000)), 'CLOSE 1000 (OK) [2 bytes]'],
  ['a close with a reason', frame(0x88, closePayload(1001, 'bye')), 'CLOSE 1001 (going away) bye [5 bytes]'],
  ['a close of a private code', frame(0x88, closePayload(4000)), 'CLOSE 4000 (private use) [2 bytes]'],
  ['an empty close', frame(0x88), 'CLOSE 1005 (no close code) [0 bytes]'],
  ['half a close code', frame(0x88, hex('03')), 'CLOSE 03 [1 byte]'],
  ['a reserved opcode', frame(0x83, 'x'), "RESERVED 0x3 'x' [text, 1 byte]"],
  ['reserved bits', frame(0xb1, 'x'), "TEXT 'x' [1 byte, RSV2, RSV3]"],
  [
    'a compressed message',
    frame(0xc1, deflate('hello'.repeat(9))),
    `TEXT '${'hello'.repeat(9)}' [45 bytes, 10 compressed]`,
  ],
  ['a compressed one that is broken', frame(0xc1, hex('ff')), 'TEXT ff [1 byte compressed]'],
  ['a frame that did not end', concat(header(0x82, 1000), hex('01 02')), 'BINARY 01 02 [1000 bytes, 2 came]'],
])('%s', (_, bytes, expected) => {
  expect(line(bytes)).toBe(expected)
})

test('fragments of a compressed message are sized before and after', () => {
  const payload = deflate('hello')
  const lines: string[] = []
  const reader = new FrameReader(75, { keepsWindow: true }, (each) => {
    lines.push(describeTracedFrame(each, 75, false))
  })
  reader.feed(concat(frame(0x41, payload), frame(0x80)))
  expect(lines).toEqual([
    "TEXT 'hello' [5 bytes, 7 compressed, continued]",
    "CONT '' [0 bytes, 0 compressed]",
  ])
})

test('the masking is told of where it is wrong', () => {
  expect(line(frame(0x81, 'x', RFC_KEY), 75, true)).toBe("TEXT 'x' [1 byte]")
  expect(line(frame(0x81, 'x', RFC_KEY), 75, false)).toBe("TEXT 'x' [1 byte, masked]")
  expect(line(frame(0x81, 'x'), 75, true)).toBe("TEXT 'x' [1 byte, not masked]")
})

test.each(['\x1b[2J\x07', '\r\nHTTP/1.1 200 OK', '\u202eevil', '\u009b31m', '\u200b\ufeff'])(
  'nothing of %j reaches the terminal',
  (text) => {
    for (const first of [0x81, 0x01, 0x80, 0x89, 0x8a, 0x83]) {
      expect(line(frame(first, text))).toMatch(/^[^\p{C}\p{Zl}\p{Zp}]*$/u)
    }
    expect(line(frame(0x88, closePayload(4000, text)))).toMatch(/^[^\p{C}\p{Zl}\p{Zp}]*$/u)
  },
)

describe('what is longer than maxBytes', () => {
  test('shows its beginning and its end, as Python does', () => {
    const text = Array.from({ length: 76 }, (_, index) => index % 10).join('')
    expect(line(frame(0x81, text.slice(0, 75)))).toBe(`TEXT '${text.slice(0, 75)}' [75 bytes]`)
    expect(line(frame(0x81, text))).toBe(`TEXT '${text.slice(0, 48)}…${text.slice(-24)}' [76 bytes]`)
    expect(line(frame(0x82, pattern(25)))).toMatch(/^BINARY 00 01 .* 17 18 \[25 bytes\]$/)
    expect(line(frame(0x82, pattern(26)))).toBe(
      'BINARY 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f … 12 13 14 15 16 17 18 19 [26 bytes]',
    )
  })

  test('is cut between characters', () => {
    const shown = line(frame(0x81, '中'.repeat(100)))
    expect(shown).toBe(`TEXT '${'中'.repeat(16)}…${'中'.repeat(8)}' [300 bytes]`)
    expect(line(frame(0x81, `a${'中'.repeat(100)}b`))).toBe(
      `TEXT 'a${'中'.repeat(15)}…${'中'.repeat(7)}b' [302 bytes]`,
    )
  })

  test('of a close frame is cut in its reason', () => {
    const shown = line(frame(0x88, closePayload(4000, 'x'.repeat(123))))
    expect(shown).toMatch(/^CLOSE 4000 \(private use\) x+…x+ \[125 bytes\]$/)
    expect(shown.length).toBeLessThan(115)
  })

  test.each([0, 1, 2, 3, 4, 9, 10])('with %i bytes, too', (maxBytes) => {
    for (const payload of [utf8('中'.repeat(50)), pattern(100)]) {
      for (const first of [0x81, 0x82, 0x89, 0x88]) {
        const shown = line(frame(first, payload.slice(0, 125)), maxBytes)
        expect(shown).toMatch(/ \[(text, |binary, )?\d+ bytes\]$/)
        expect(shown.length).toBeLessThan(60)
      }
    }
  })

  test('with 0 shows sizes only, and the code of a close', () => {
    expect(line(frame(0x81, 'secret'), 0)).toBe('TEXT [6 bytes]')
    expect(line(frame(0x82, 'secret'), 0)).toBe('BINARY [6 bytes]')
    expect(line(frame(0xc1, deflate('secret')), 0)).toMatch(/^TEXT \[6 bytes, \d+ compressed\]$/)
    expect(line(frame(0x88, closePayload(1001, 'secret')), 0)).toBe('CLOSE 1001 (going away) [8 bytes]')
  })
})
