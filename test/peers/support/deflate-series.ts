// What both ends of a compressed connection are put through: messages of all sizes that compress well, badly and not
// at all, sent one by one, all at once, and in fragments; and the parameters that both ends can agree on.

import { expect } from 'vitest'
import { canRunSync } from '../../../src/deflate/sync-zlib.ts'
import { type CompressionOptions, type Connection, connect } from '../../../src/index.ts'
import { expectSame } from './messages.ts'
import { startTap, type Tap, type Traffic } from './tap.ts'

type Message = string | Uint8Array

/** A series of messages with their names. */
export type Series = readonly (readonly [name: string, message: Message])[]

const SMALL_SIZES = [0, 1, 100, 1024]
// 1 MiB is the most that servers of ours take unless told otherwise.
const LARGE_SIZES = [100 * 1024, 1024 * 1024]

/** Characters of one, three and four bytes. */
const UNIT = '四字😀..'
const UNIT_BYTES = 12

/** Marsaglia's xorshift: the same on every run. */
class Random {
  #state = 2_463_534_242

  next(below: number): number {
    let state = this.#state
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.#state = state >>> 0
    return (this.#state >>> 8) % below
  }
}

const random = new Random()

function repeatText(size: number): string {
  const count = Math.floor(size / UNIT_BYTES)
  return UNIT.repeat(count) + '.'.repeat(size - count * UNIT_BYTES)
}

/** Characters of one, three and four bytes in no order: half of it can be saved. */
function randomText(size: number): string {
  let text = ''
  let left = size
  while (left > 0) {
    const kind = random.next(3)
    const point = [32 + random.next(95), 0x4e00 + random.next(0x5000), 0x1f300 + random.next(0x300)][kind]!
    const length = [1, 3, 4][kind]!
    if (length > left) continue
    text += String.fromCodePoint(point)
    left -= length
  }
  return text
}

function repeatBytes(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => [0, 1, 2, 127, 128, 254, 255][index % 7]!)
}

function randomBytes(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, () => random.next(256))
}

// One for each window that zlib has, from 512 bytes to 32 KiB: it goes back 262 bytes less than that.
const DISTANCES = [240, 700, 1700, 3700, 7900, 16_100, 32_500]
const RUN = 64
const FAR_SIZE = 34 * 1024

/** Bytes of which every other run stood there before. */
function bytesFromAfar(): Uint8Array {
  const bytes = randomBytes(FAR_SIZE)
  for (let start = 2 * RUN, turn = 0; start + RUN <= FAR_SIZE; start += 2 * RUN, turn++) {
    const distance = DISTANCES[turn % DISTANCES.length]!
    if (distance <= start) bytes.copyWithin(start, start - distance, start - distance + RUN)
  }
  return bytes
}

const KINDS = [
  ['bytes of text that repeats', repeatText],
  ['bytes of random text', randomText],
  ['bytes that repeat', repeatBytes],
  ['random bytes', randomBytes],
] as const

function makeSeries(sizes: readonly number[]): Series {
  return sizes.flatMap((size) => KINDS.map(([name, make]) => [`${size} ${name}`, make(size)] as const))
}

// The number of messages of each series is odd: whoever does something every other time does it with each message in
// one of two passes.

/** Messages up to 1 KiB, and one that fills every window. */
export const SHORT_SERIES: Series = [...makeSeries(SMALL_SIZES), ['bytes from afar', bytesFromAfar()]]

const randomKibibyte = randomText(1024)

/** Few messages, for what is done hundreds of times. */
export const BRIEF_SERIES: Series = [
  ['no text', ''],
  ['1 random byte', randomBytes(1)],
  ['1024 bytes of text that repeats', repeatText(1024)],
  ['1024 bytes of random text', randomKibibyte],
  // Next to nothing, when the context is kept.
  ['the same once more', randomKibibyte],
  ['1024 random bytes', randomBytes(1024)],
  ['bytes from afar', bytesFromAfar()],
]

/** Messages up to 1 MiB. */
export const LONG_SERIES: Series = [...SHORT_SERIES, ...makeSeries(LARGE_SIZES)]

/** Cut a message into three fragments, within a character where there is one to be cut; small ones stay whole. */
export function cut<Part extends Message>(message: Part): Part[] {
  const { length } = message
  if (length < 3) return [message]
  const third = Math.floor(length / 3)
  return [message.slice(0, third), message.slice(third, 2 * third), message.slice(2 * third)] as Part[]
}

/** An end of a connection whose other end sends everything back. */
export interface Line {
  send(message: Message): unknown
  sendFragments(message: Message): unknown
  receive(): Promise<unknown>
}

/** How often `exchange` sends each message. */
export const PASSES = 3

/** Send every message and await its echo, then send all at once, and all at once in fragments. */
export async function exchange(line: Line, series: Series): Promise<void> {
  for (const [name, message] of series) {
    const [received] = await Promise.all([line.receive(), line.send(message)])
    expectSame(received, message, name)
  }
  const passes = [(message: Message) => line.send(message), (message: Message) => line.sendFragments(message)]
  for (const send of passes) {
    const sent = Promise.all(series.map(([, message]) => send(message)))
    // What did not come back says more.
    sent.catch(() => {})
    for (const [name, message] of series) expectSame(await line.receive(), message, name)
    await sent
  }
}

/** A connection of ours as such an end. */
export function lineOf(connection: Connection): Line {
  return {
    send: (message) => connection.send(message),
    sendFragments: (message) => connection.send(cut(message)),
    receive: () => connection.receive(),
  }
}

/** Send everything back, every other message in fragments. */
export async function echoByTurns(connection: Connection): Promise<void> {
  let count = 0
  for await (const message of connection) {
    await connection.send(count++ % 2 === 0 ? message : cut(message))
  }
}

// --- what is agreed ---

/** The parameters of permessage-deflate, as RFC 7692 names them but for the case; without a window it is 15. */
export interface Agreement {
  readonly serverNoContextTakeover: boolean
  readonly clientNoContextTakeover: boolean
  readonly serverMaxWindowBits: number
  readonly clientMaxWindowBits: number
}

/** What both ends have when nobody asks for anything. */
export const PLAIN: Agreement = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
}

export const WINDOW_BITS: readonly number[] = [9, 10, 11, 12, 13, 14, 15]

/** zlib's levels. */
export const LEVELS: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

/** All combinations of the two flags, with the largest windows. */
export const FLAGS: readonly Agreement[] = [
  PLAIN,
  { ...PLAIN, serverNoContextTakeover: true },
  { ...PLAIN, clientNoContextTakeover: true },
  { ...PLAIN, serverNoContextTakeover: true, clientNoContextTakeover: true },
]

/** With all context and without any. */
export const EXTREMES: readonly Agreement[] = [FLAGS[0]!, FLAGS[3]!]

/** All 196 combinations of parameters. */
export const AGREEMENTS: readonly Agreement[] = FLAGS.flatMap((flags) =>
  WINDOW_BITS.flatMap((serverMaxWindowBits) =>
    WINDOW_BITS.map((clientMaxWindowBits) => ({ ...flags, serverMaxWindowBits, clientMaxWindowBits })),
  ),
)

/**
 * All pairs of windows, and all pairs of a window and a combination of flags. Each direction has its own window and
 * flag, so that what both do together matters little.
 */
export const PAIRWISE_AGREEMENTS: readonly Agreement[] = WINDOW_BITS.flatMap((serverMaxWindowBits, server) =>
  WINDOW_BITS.map((clientMaxWindowBits, client) => ({
    ...FLAGS[(server + client) % FLAGS.length]!,
    serverMaxWindowBits,
    clientMaxWindowBits,
  })),
)

/** Read a header in which a server accepted; `undefined` when it is empty. */
export function parseAgreement(header: string): Agreement | undefined {
  if (header === '') return undefined
  const [name, ...parameters] = header.split(/\s*;\s*/)
  expect(name).toBe('permessage-deflate')
  const values = new Map(
    parameters.map((parameter) => {
      const [key, value] = parameter.split('=')
      return [key, value]
    }),
  )
  expect(parameters).toHaveLength(values.size)
  return {
    serverNoContextTakeover: values.has('server_no_context_takeover'),
    clientNoContextTakeover: values.has('client_no_context_takeover'),
    serverMaxWindowBits: Number(values.get('server_max_window_bits') ?? 15),
    clientMaxWindowBits: Number(values.get('client_max_window_bits') ?? 15),
  }
}

/** Compress everything that shrinks. */
export const ALWAYS: CompressionOptions = { threshold: 1, adaptive: false }

/** Compress everything, and leave the windows to the peer. */
export const OPEN: CompressionOptions = { ...ALWAYS, serverMaxWindowBits: 15, clientMaxWindowBits: 15 }

/** What became of a series. */
export interface Outcome {
  /** What both ends agreed on. */
  readonly agreed: Agreement | undefined
  readonly tap: Tap
  /** The end that is ours. */
  readonly ours: 'client' | 'server'
  /** How many messages came back. */
  readonly messages: number
  /** How many of them shrink a lot. */
  readonly shrinking: number
}

/** Expect of both directions that all was compressed that has to be. */
export function expectAllCompressed({ tap, ours, messages, shrinking }: Outcome): void {
  const [own, other] = byEnd(tap, ours)
  // The peer compresses everything, and we what shrinks.
  expect(other).toMatchObject({ messages, compressed: messages })
  expect(own.messages).toBe(messages)
  expect(own.compressed).toBeGreaterThanOrEqual(shrinking)
}

/** Expect of both directions that messages went in fragments. */
export function expectFragments({ tap }: Outcome): void {
  expect(tap.fromClient.continuations).toBeGreaterThan(0)
  expect(tap.fromServer.continuations).toBeGreaterThan(0)
}

/** Expect of both directions that some messages were compressed, and that we sent some as they are. */
export function expectSomeCompressed({ tap, ours, messages }: Outcome): void {
  const [own, other] = byEnd(tap, ours)
  expect(other.compressed).toBeGreaterThan(0)
  expect(own.messages).toBe(messages)
  expect(own.compressed).toBeGreaterThan(0)
  // Those in fragments are compressed whatever their size, and so each of 12 small ones goes as it is at least once.
  expect(own.compressed).toBeLessThanOrEqual(messages - 12)
}

/** Expect that nothing was compressed, and nothing agreed. */
export function expectNoneCompressed({ agreed, tap }: Outcome): void {
  expect(agreed).toBeUndefined()
  expect([tap.fromClient.compressed, tap.fromServer.compressed]).toEqual([0, 0])
}

function byEnd({ fromClient, fromServer }: Tap, ours: Outcome['ours']): [own: Traffic, other: Traffic] {
  return ours === 'client' ? [fromClient, fromServer] : [fromServer, fromClient]
}

/** Have a client of ours send a series. */
export async function runConnection(
  url: string,
  compression: CompressionOptions | true,
  series: Series,
): Promise<Outcome> {
  const tap = await startTap(url)
  const connection = await connect(tap.url, { compression })
  await exchange(lineOf(connection), series)
  expect(await connection.close()).toMatchObject({ code: 1000, clean: true })
  return toOutcome('client', connection.extensions, tap, series)
}

/** Note what became of a series that was exchanged. */
export function toOutcome(ours: Outcome['ours'], extensions: string, tap: Tap, series: Series): Outcome {
  return {
    agreed: parseAgreement(extensions),
    tap,
    ours,
    messages: PASSES * series.length,
    shrinking:
      PASSES * series.filter(([name, { length }]) => name.includes('repeat') && length >= 100).length,
  }
}

/** Expect that a run agrees on something, and compresses all that it has to; say which of many it was. */
export async function expectAgreement(agreement: Agreement, run: () => Promise<Outcome>): Promise<Outcome> {
  try {
    const outcome = await run()
    expect(outcome.agreed).toEqual(agreement)
    expectAllCompressed(outcome)
    return outcome
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error)
    throw new Error(`with ${JSON.stringify(agreement)}: ${what}`, { cause: error })
  }
}

/** Expect the same of many, and that less is sent with large windows and with context. */
export async function expectAgreements(
  agreements: readonly Agreement[],
  run: (agreement: Agreement, index: number) => Promise<Outcome>,
  toExpected = (asked: Agreement): Agreement => asked,
): Promise<void> {
  const runs: (readonly [Agreement, Outcome])[] = []
  for (const [index, agreement] of agreements.entries()) {
    runs.push([agreement, await expectAgreement(toExpected(agreement), () => run(agreement, index))])
  }
  for (const sender of ['server', 'client'] as const) expectSavings(sender, runs)
}

function expectSavings(sender: 'server' | 'client', runs: readonly (readonly [Agreement, Outcome])[]): void {
  const bytes = (windowBits: number, noContext: boolean): number => {
    const sizes = runs
      .filter(([agreement]) => agreement[`${sender}MaxWindowBits`] === windowBits)
      .filter(([agreement]) => agreement[`${sender}NoContextTakeover`] === noContext)
      .map(([, { tap }]) => (sender === 'server' ? tap.fromServer : tap.fromClient).bytes)
    return sizes.reduce((sum, size) => sum + size, 0) / sizes.length
  }
  expect(bytes(15, false), sender).toBeLessThan(bytes(9, false))
  expect(bytes(15, true), sender).toBeLessThan(bytes(9, true))
  // Where zlib cannot be driven at once, we begin each message with an empty window.
  if (sender !== runs[0]![1].ours || canRunSync()) {
    expect(bytes(15, false), sender).toBeLessThan(bytes(15, true))
  }
}
