import { describe, expect, test } from 'vitest'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { connectedPair } from '../../src/testing/index.ts'
import { FrameLog } from '../../src/trace/frame-log.ts'
import { deflate } from '../connection/support.ts'
import { closePayload, frame, frameTo } from '../support/bytes.ts'
import { LineLog, listen } from './support.ts'

const DEFLATE = 'permessage-deflate; client_no_context_takeover'

function make(extensions = '', role: 'client' | 'server' = 'client'): { log: FrameLog; lines: LineLog } {
  const lines = new LineLog()
  const log = new FrameLog(
    { role, print: lines.sink, isListening: () => false, frame: () => {} },
    75,
    extensions,
  )
  return { log, lines }
}

describe('FrameLog', () => {
  test('writes both directions with the sigils of Python', () => {
    const { log, lines } = make()
    log.sent.feed(frameTo('server', 0x81, 'out'))
    log.received.feed(frameTo('client', 0x81, 'in'))
    expect(lines.take()).toEqual(["> TEXT 'out' [3 bytes]", "< TEXT 'in' [2 bytes]"])
  })

  test('knows who has to mask', () => {
    const { log, lines } = make('', 'server')
    log.sent.feed(frameTo('server', 0x81, 'out'))
    log.received.feed(frameTo('client', 0x81, 'in'))
    expect(lines.take()).toEqual(["> TEXT 'out' [3 bytes, masked]", "< TEXT 'in' [2 bytes, not masked]"])
  })

  test('says when the closing handshake begins', () => {
    const { log, lines } = make()
    log.received.feed(frame(0x88, closePayload(1001)))
    log.sent.feed(frameTo('server', 0x88, closePayload(1001)))
    log.onEnd()
    log.onPeerEnd()
    log.onDestroy()
    expect(lines.take()).toEqual([
      '< CLOSE 1001 (going away) [2 bytes]',
      '> CLOSE 1001 (going away) [2 bytes]',
      '= connection is CLOSING',
      'x half-closing TCP connection',
      '< EOF',
      'x aborting TCP connection',
    ])
  })

  test('decompresses each direction as was agreed', () => {
    const again = deflate('hello hello', Buffer.from('hello hello'))
    for (const [role, forgetful] of [
      ['client', 'sent'],
      ['server', 'received'],
    ] as const) {
      const { log, lines } = make(DEFLATE, role)
      const other = forgetful === 'sent' ? 'received' : 'sent'
      for (const direction of [forgetful, other] as const) {
        log[direction].feed(frame(0xc1, deflate('hello hello')))
        log[direction].feed(frame(0xc1, again))
      }
      const shown = lines.take().filter((line) => /^[<>]/.test(line))
      expect(shown.filter((line) => line.includes("'hello hello'"))).toHaveLength(3)
      expect(shown[1]).toMatch(/compressed/)
    }
  })

  test('says once what it cannot show', () => {
    const { log, lines } = make(DEFLATE)
    const broken = frame(0xc1, Uint8Array.of(0xff, 0xff))
    log.received.feed(broken)
    log.received.feed(broken)
    expect(lines.take()).toEqual([
      '< TEXT ff ff [2 bytes compressed]',
      '% a compressed message is broken or larger than 16 MiB: it is shown as it is, and so are those after it',
      '< TEXT ff ff [2 bytes compressed]',
    ])
  })

  test.each(['', 'x-mine', `${DEFLATE}, x-mine`, 'not, a; list='])(
    'shows payloads as they are when "%s" was agreed',
    (extensions) => {
      const { log, lines } = make(extensions)
      log.received.feed(frame(0xc2, 'x'))
      expect(lines.take()).toEqual(['< BINARY 78 [1 byte, RSV1]'])
    },
  )

  test('tells heartbeats from pings of the program', async () => {
    const lines = new LineLog()
    const clock = new FakeClock()
    const { client } = connectedPair({ clock, client: { trace: lines, pingInterval: 1000 } })
    await client.ping('mine')
    expect(lines.take()).toEqual([
      '= connection is OPEN',
      "> PING 'mine' [text, 4 bytes]",
      "< PONG 'mine' [text, 4 bytes]",
    ])
    await clock.advance(1000)
    expect(lines.take()).toEqual([
      "> PING 'openline:1' [text, 10 bytes]",
      '% sent keepalive ping',
      "< PONG 'openline:1' [text, 10 bytes]",
      '% received keepalive pong',
    ])
    client.terminate()
  })

  test('publishes frames to those who listen', async () => {
    const facts = listen('openline:frame:sent')
    const { client, server } = connectedPair()
    await client.send('x'.repeat(5000))
    await server.receive()
    expect(facts.map(({ fact }) => fact)).toMatchObject([
      {
        role: 'client',
        connection: client,
        opcode: 1,
        fin: true,
        reservedBits: 0x40,
        masked: true,
        type: 'text',
        decompressedLength: 5000,
        excerpt: new Uint8Array(75).fill(0x78),
        description: expect.stringMatching(/^TEXT 'x{48}…x{24}' \[5000 bytes, \d+ compressed\]$/),
      },
    ])
    expect(facts[0]!.fact.length).toBeLessThan(100)
    await client.close()
    expect(facts.map(({ fact }) => [fact.role, fact.opcode]).slice(1)).toEqual([
      ['client', 8],
      ['server', 8],
    ])
  })
})
