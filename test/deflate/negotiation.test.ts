import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  acceptDeflate,
  confirmDeflate,
  type DeflateParameters,
  offerDeflate,
  PERMESSAGE_DEFLATE,
} from '../../src/deflate/negotiation.ts'
import { type CompressionOptions, resolveCompressionOptions } from '../../src/deflate/options.ts'
import { HandshakeError } from '../../src/errors.ts'
import {
  type ExtensionOffer,
  type ExtensionParameter,
  formatExtensionHeader,
  parseExtensionHeader,
} from '../../src/handshake/extension-header.ts'

const SERVER_NO = 'server_no_context_takeover'
const CLIENT_NO = 'client_no_context_takeover'
const SERVER_BITS = 'server_max_window_bits'
const CLIENT_BITS = 'client_max_window_bits'

/** A server that wishes for nothing. */
const OPEN: CompressionOptions = { serverMaxWindowBits: 15, clientMaxWindowBits: 15 }

/** Read a header with one element. */
function parse(parameters: string): ExtensionOffer {
  const elements = parseExtensionHeader(`${PERMESSAGE_DEFLATE}${parameters && `; ${parameters}`}`)
  expect(elements).toHaveLength(1)
  return elements![0]!
}

/** The parameters of an element as they stand in the header. */
function format({ name, parameters }: ExtensionOffer): string {
  const text = formatExtensionHeader([{ name, parameters }])
  expect(text.startsWith(PERMESSAGE_DEFLATE)).toBe(true)
  return text.slice(PERMESSAGE_DEFLATE.length).replace(/^; /, '')
}

/** Let a server answer an offer. */
function answer(offer: string, options: CompressionOptions = OPEN): string {
  const acceptance = acceptDeflate(parse(offer), resolveCompressionOptions(options, 'server'))
  return acceptance === undefined ? 'declined' : format(acceptance.response)
}

function agreedByServer(offer: string, options: CompressionOptions = OPEN): DeflateParameters {
  return acceptDeflate(parse(offer), resolveCompressionOptions(options, 'server'))!.agreed
}

/** Let a client read a response. */
function confirm(response: string, options: CompressionOptions = {}): DeflateParameters {
  return confirmDeflate(parse(response), resolveCompressionOptions(options, 'client'))
}

/** What no end may send, in offers and in responses. */
const WRONG: readonly (readonly [string, string])[] = [
  ['an unknown parameter', 'window_bits=10'],
  ['an unknown parameter behind known ones', `${SERVER_NO}; ${SERVER_BITS}=10; mode=fast`],
  ['a parameter of an earlier draft', 'max_window_bits=10'],
  ['a parameter of an earlier draft', 'no_context_takeover'],
  ['a parameter with the name of a property', '__proto__'],
  ['a parameter with the name of a property', 'constructor=15'],
  ...[SERVER_NO, CLIENT_NO].flatMap((name): [string, string][] => [
    [`${name} twice`, `${name}; ${name}`],
    [`${name} twice, not in a row`, `${name}; ${SERVER_BITS}=10; ${name}`],
    [`a value of ${name}`, `${name}=1`],
    [`a value of ${name}`, `${name}=true`],
    [`a value of ${name}`, `${name}=10`],
    [`a value of ${name}, in quotes`, `${name}="true"`],
  ]),
  ...[SERVER_BITS, CLIENT_BITS].flatMap((name): [string, string][] => [
    [`${name} twice`, `${name}=10; ${name}=10`],
    [`${name} twice, with different values`, `${name}=15; ${name}=10`],
    ...['0', '1', '7', '16', '32', '100', '99999999999999999999', '-8', '-10', '+10'].map(
      (value): [string, string] => [`${name} out of range`, `${name}=${value}`],
    ),
    ...['08', '09', '010', '0010', '015'].map((value): [string, string] => [
      `${name} with a leading zero`,
      `${name}=${value}`,
    ]),
    ...['10.0', '1e1', '0xa', 'a', 'ten', 'true', '10_', "1'0", 'NaN', 'Infinity', '*'].map(
      (value): [string, string] => [`${name} that is no integer`, `${name}=${value}`],
    ),
    [`${name} out of range, in quotes`, `${name}="16"`],
    [`${name} with a leading zero, in quotes`, `${name}="\\010"`],
  ]),
  [`${SERVER_BITS} without a value`, SERVER_BITS],
]

describe('server', () => {
  test.each(WRONG)('declines %s: %s', (_, offer) => {
    expect(answer(offer)).toBe('declined')
  })

  test('declines client_max_window_bits without a value and with one', () => {
    expect(answer(`${CLIENT_BITS}; ${CLIENT_BITS}=10`)).toBe('declined')
    expect(answer(`${CLIENT_BITS}; ${CLIENT_BITS}`)).toBe('declined')
  })

  test('declines a window of 8 bits for itself, which zlib has not', () => {
    expect(answer(`${SERVER_BITS}=8`)).toBe('declined')
    expect(answer(`${SERVER_BITS}="8"`)).toBe('declined')
    expect(answer(`${SERVER_BITS}=8; ${CLIENT_BITS}`)).toBe('declined')
  })

  test('declines what is wrong whatever it wishes itself', () => {
    const options = { ...OPEN, serverNoContextTakeover: true, clientNoContextTakeover: true }
    expect(answer(`${SERVER_NO}=1`, options)).toBe('declined')
    expect(answer(`${SERVER_BITS}=16`, { ...options, serverMaxWindowBits: 9 })).toBe('declined')
    expect(answer(`${CLIENT_BITS}=16`, { ...options, clientMaxWindowBits: 9 })).toBe('declined')
  })

  test.each<[string, string]>([
    ['', ''],
    [SERVER_NO, SERVER_NO],
    [CLIENT_NO, CLIENT_NO],
    [`${CLIENT_NO}; ${SERVER_NO}`, `${SERVER_NO}; ${CLIENT_NO}`],
    ...['9', '10', '11', '12', '13', '14', '15'].map((bits): [string, string] => [
      `${SERVER_BITS}=${bits}`,
      `${SERVER_BITS}=${bits}`,
    ]),
    ...['8', '9', '10', '11', '12', '13', '14'].map((bits): [string, string] => [
      `${CLIENT_BITS}=${bits}`,
      `${CLIENT_BITS}=${bits}`,
    ]),
    [`${CLIENT_BITS}=15`, ''],
    [CLIENT_BITS, ''],
    [`${SERVER_BITS}="10"`, `${SERVER_BITS}=10`],
    [`${SERVER_BITS}="\\1\\0"`, `${SERVER_BITS}=10`],
    [`${CLIENT_BITS} = "8"`, `${CLIENT_BITS}=8`],
    [
      `${CLIENT_BITS}=9; ${SERVER_BITS}=10; ${CLIENT_NO}; ${SERVER_NO}`,
      `${SERVER_NO}; ${CLIENT_NO}; ${SERVER_BITS}=10; ${CLIENT_BITS}=9`,
    ],
  ])('answers the offer "%s" with "%s"', (offer, response) => {
    expect(answer(offer)).toBe(response)
  })

  // RFC 7692 section 7.1.2.1: a server may say which window it uses although the offer did not ask.
  test.each<[string, CompressionOptions, string]>([
    ['', { ...OPEN, serverMaxWindowBits: 12 }, `${SERVER_BITS}=12`],
    [`${SERVER_BITS}=15`, { ...OPEN, serverMaxWindowBits: 12 }, `${SERVER_BITS}=12`],
    [`${SERVER_BITS}=12`, { ...OPEN, serverMaxWindowBits: 12 }, `${SERVER_BITS}=12`],
    [`${SERVER_BITS}=9`, { ...OPEN, serverMaxWindowBits: 12 }, `${SERVER_BITS}=9`],
    [CLIENT_BITS, { ...OPEN, clientMaxWindowBits: 12 }, `${CLIENT_BITS}=12`],
    [`${CLIENT_BITS}=15`, { ...OPEN, clientMaxWindowBits: 12 }, `${CLIENT_BITS}=12`],
    [`${CLIENT_BITS}=10`, { ...OPEN, clientMaxWindowBits: 12 }, `${CLIENT_BITS}=10`],
    ['', { ...OPEN, serverNoContextTakeover: true }, SERVER_NO],
    [SERVER_NO, { ...OPEN, serverNoContextTakeover: true }, SERVER_NO],
    ['', { ...OPEN, clientNoContextTakeover: true }, CLIENT_NO],
    [CLIENT_NO, { ...OPEN, clientNoContextTakeover: true }, CLIENT_NO],
    [CLIENT_BITS, {}, `${SERVER_BITS}=12; ${CLIENT_BITS}=12`],
  ])('answers the offer "%s" with wishes of its own', (offer, options, response) => {
    expect(answer(offer, options)).toBe(response)
  })

  test('does not answer with client_max_window_bits where that was not offered', () => {
    const options = { ...OPEN, clientMaxWindowBits: 9 }
    for (const offer of ['', SERVER_NO, `${SERVER_BITS}=10`, `${CLIENT_NO}; ${SERVER_NO}`]) {
      expect(answer(offer, options)).not.toContain(CLIENT_BITS)
      // What the client does not know it cannot obey.
      expect(agreedByServer(offer, options).clientMaxWindowBits).toBe(15)
    }
  })

  test("gives gorilla's client both flags back, without which it gives up", () => {
    const response = answer(`${SERVER_NO}; ${CLIENT_NO}`, {})
    expect(response.split('; ')).toEqual(expect.arrayContaining([SERVER_NO, CLIENT_NO]))
  })

  test("accepts Python's offer", () => {
    expect(answer(`${SERVER_BITS}=12; ${CLIENT_BITS}=12`, {})).toBe(`${SERVER_BITS}=12; ${CLIENT_BITS}=12`)
  })
})

describe('client', () => {
  test.each(WRONG)('fails on a response with %s: %s', (_, response) => {
    const error = thrownBy(() => confirm(response))
    expect(error).toBeInstanceOf(HandshakeError)
    expect(error).toMatchObject({ code: 'WS_BAD_EXTENSION', status: 0 })
    expect((error as HandshakeError).message).toMatch(/permessage-deflate is wrong: [ -~]+$/)
  })

  test('fails on a response with client_max_window_bits without a value, which only an offer may have', () => {
    expect(() => confirm(CLIENT_BITS)).toThrow(HandshakeError)
    expect(() => confirm(`${SERVER_NO}; ${CLIENT_BITS}`)).toThrow(`${CLIENT_BITS} must be 8 to 15`)
  })

  test('says what is wrong, and not at any length', () => {
    expect(() => confirm(`${SERVER_BITS}=16`)).toThrow(`${SERVER_BITS} must be 8 to 15`)
    expect(() => confirm(`${SERVER_NO}; ${SERVER_NO}`)).toThrow(`"${SERVER_NO}" stands twice`)
    expect(() => confirm(`${CLIENT_NO}=1`)).toThrow(`${CLIENT_NO} must have no value`)
    expect(() => confirm('mode=fast')).toThrow('"mode" is no parameter of it')
    expect((thrownBy(() => confirm('x'.repeat(100_000))) as Error).message.length).toBeLessThan(500)
  })

  const KEPT: DeflateParameters = {
    serverNoContextTakeover: false,
    clientNoContextTakeover: false,
    serverMaxWindowBits: 15,
    clientMaxWindowBits: 15,
  }

  test.each<[string, Partial<DeflateParameters>]>([
    ['', {}],
    // RFC 7692 sections 7.1.1.1, 7.1.1.2 and 7.1.2.1: these three may come without having been offered.
    [SERVER_NO, { serverNoContextTakeover: true }],
    [CLIENT_NO, { clientNoContextTakeover: true }],
    [`${SERVER_BITS}=8`, { serverMaxWindowBits: 8 }],
    [`${SERVER_BITS}=15`, { serverMaxWindowBits: 15 }],
    [`${SERVER_BITS}="12"`, { serverMaxWindowBits: 12 }],
    [`${CLIENT_BITS}=8`, { clientMaxWindowBits: 8 }],
    [`${CLIENT_BITS}=15`, { clientMaxWindowBits: 15 }],
    [
      `${CLIENT_BITS}=10; ${CLIENT_NO}; ${SERVER_BITS}=9; ${SERVER_NO}`,
      {
        serverNoContextTakeover: true,
        clientNoContextTakeover: true,
        serverMaxWindowBits: 9,
        clientMaxWindowBits: 10,
      },
    ],
  ])('takes the response "%s"', (response, expected) => {
    expect(confirm(response)).toEqual({ ...KEPT, ...expected })
  })

  // RFC 7692 section 7.1.1.2: the offer is a hint that the client will not use its window again "even if the server
  // doesn't include" the parameter in its response.
  test('forgets its window as it offered, even where the server does not ask for that', () => {
    expect(confirm('', { clientNoContextTakeover: true }).clientNoContextTakeover).toBe(true)
  })

  test('remembers the window of a server that does not do what it was asked', () => {
    expect(confirm('', { serverNoContextTakeover: true }).serverNoContextTakeover).toBe(false)
  })

  test('lives with libwebsockets, which ignores the window that it was asked for', () => {
    const options = { serverMaxWindowBits: 9 }
    expect(confirm('', options).serverMaxWindowBits).toBe(15)
    expect(confirm(CLIENT_NO, options).serverMaxWindowBits).toBe(15)
  })

  test('lives with ws, which declines a window that is smaller than its own, and names that in the next answer', () => {
    const options = { serverMaxWindowBits: 10 }
    const offers = offerDeflate(resolveCompressionOptions(options, 'client'))
    expect(offers.map(format)).toEqual([`${SERVER_BITS}=10; ${CLIENT_BITS}`, CLIENT_BITS])
    expect(confirm(`${SERVER_BITS}=12`, options).serverMaxWindowBits).toBe(12)
  })

  test.each<[string, CompressionOptions, readonly string[]]>([
    ['nothing but that the server may choose its window', {}, [CLIENT_BITS]],
    [
      'what it wishes, and the plain offer',
      { serverNoContextTakeover: true },
      [`${SERVER_NO}; ${CLIENT_BITS}`, CLIENT_BITS],
    ],
    [
      'what it will do itself, and the plain offer',
      { clientNoContextTakeover: true },
      [`${CLIENT_NO}; ${CLIENT_BITS}`, CLIENT_BITS],
    ],
    [
      'a window for the server',
      { serverMaxWindowBits: 9 },
      [`${SERVER_BITS}=9; ${CLIENT_BITS}`, CLIENT_BITS],
    ],
    ['no window for itself: that may always be smaller', { clientMaxWindowBits: 9 }, [CLIENT_BITS]],
    [
      'all of it',
      {
        serverNoContextTakeover: true,
        clientNoContextTakeover: true,
        serverMaxWindowBits: 14,
        clientMaxWindowBits: 9,
      },
      [`${SERVER_NO}; ${CLIENT_NO}; ${SERVER_BITS}=14; ${CLIENT_BITS}`, CLIENT_BITS],
    ],
  ])('offers %s', (_, options, expected) => {
    expect(offerDeflate(resolveCompressionOptions(options, 'client')).map(format)).toEqual(expected)
  })
})

// --- properties ---

const bits = fc.integer({ min: 9, max: 15 })

/** Any options that concern the negotiation. */
const anyOptions: fc.Arbitrary<CompressionOptions> = fc.record(
  {
    serverNoContextTakeover: fc.boolean(),
    clientNoContextTakeover: fc.boolean(),
    serverMaxWindowBits: bits,
    clientMaxWindowBits: bits,
  },
  { requiredKeys: [] },
)

/** Any offer that the RFC allows, in any order. */
const anyOffer: fc.Arbitrary<ExtensionOffer> = fc
  .shuffledSubarray([SERVER_NO, CLIENT_NO, SERVER_BITS, CLIENT_BITS])
  .chain((names) => fc.tuple(...names.map(anyParameter)))
  .map((parameters) => ({ name: PERMESSAGE_DEFLATE, parameters }))

function anyParameter(name: string): fc.Arbitrary<ExtensionParameter> {
  const values = Array.from({ length: 8 }, (_, index) => String(index + 8))
  if (name === SERVER_BITS) return fc.constantFrom(...values).map((value) => ({ name, value }))
  if (name === CLIENT_BITS) {
    return fc.constantFrom(...values, undefined).map((value) => ({ name, value }))
  }
  return fc.constant({ name, value: undefined })
}

function has({ parameters }: ExtensionOffer, name: string): boolean {
  return parameters.some((parameter) => parameter.name === name)
}

function numberOf({ parameters }: ExtensionOffer, name: string): number | undefined {
  const value = parameters.find((parameter) => parameter.name === name)?.value
  return value === undefined ? undefined : Number(value)
}

describe('any offer and any server', () => {
  test('give a response that the RFC allows for that offer, and parameters that the response says', () => {
    // Invariant: each MUST of RFC 7692 section 7.1 that binds a response to its offer.
    fc.assert(
      fc.property(anyOffer, anyOptions, (offer, options) => {
        const acceptance = acceptDeflate(offer, resolveCompressionOptions(options, 'server'))
        const asked = numberOf(offer, SERVER_BITS)
        expect(acceptance === undefined).toBe(asked === 8)
        if (acceptance === undefined) return
        const { response, agreed } = acceptance
        expect(parseExtensionHeader(formatExtensionHeader([response]))).toEqual([response])
        expect(new Set(response.parameters.map(({ name }) => name)).size).toBe(response.parameters.length)

        if (has(offer, SERVER_NO)) expect(has(response, SERVER_NO)).toBe(true)
        if (asked !== undefined) expect(numberOf(response, SERVER_BITS)).toBeLessThanOrEqual(asked)
        if (!has(offer, CLIENT_BITS)) expect(has(response, CLIENT_BITS)).toBe(false)
        const most = numberOf(offer, CLIENT_BITS) ?? 15
        if (has(response, CLIENT_BITS)) expect(numberOf(response, CLIENT_BITS)).toBeLessThanOrEqual(most)

        expect(agreed).toEqual({
          serverNoContextTakeover: has(response, SERVER_NO),
          clientNoContextTakeover: has(response, CLIENT_NO),
          serverMaxWindowBits: numberOf(response, SERVER_BITS) ?? 15,
          clientMaxWindowBits: numberOf(response, CLIENT_BITS) ?? 15,
        })
        // Nobody gets more than was wished for.
        const { serverMaxWindowBits = 12, clientMaxWindowBits = 12 } = options
        expect(agreed.serverMaxWindowBits).toBeLessThanOrEqual(serverMaxWindowBits)
        if (has(offer, CLIENT_BITS)) {
          expect(agreed.clientMaxWindowBits).toBeLessThanOrEqual(clientMaxWindowBits)
        }
      }),
      { numRuns: 1000 },
    )
  })
})

describe('our client and our server', () => {
  test('agree on the same, or the server declines', () => {
    // Invariant: what a server agreed to is what its client reads from the response, whatever both wish.
    fc.assert(
      fc.property(anyOptions, anyOptions, (clientOptions, serverOptions) => {
        const client = resolveCompressionOptions(clientOptions, 'client')
        const server = resolveCompressionOptions(serverOptions, 'server')
        const offers = parseExtensionHeader(formatExtensionHeader(offerDeflate(client)))!
        for (const offer of offers) {
          expect(offer.name).toBe(PERMESSAGE_DEFLATE)
          const acceptance = acceptDeflate(offer, server)
          if (acceptance === undefined) continue
          const [response] = parseExtensionHeader(formatExtensionHeader([acceptance.response]))!
          expect(confirmDeflate(response!, client)).toEqual(acceptance.agreed)
          // Where both are ours, wishes come true.
          const { agreed } = acceptance
          if (client.serverNoContextTakeover) expect(agreed.serverNoContextTakeover).toBe(true)
          if (client.clientNoContextTakeover) expect(agreed.clientNoContextTakeover).toBe(true)
          expect(agreed.serverMaxWindowBits).toBe(
            Math.min(client.serverMaxWindowBits, server.serverMaxWindowBits),
          )
          expect(agreed.clientMaxWindowBits).toBe(server.clientMaxWindowBits)
          return
        }
        expect.fail('all offers were declined')
      }),
      { numRuns: 1000 },
    )
  })
})

function thrownBy(action: () => unknown): unknown {
  try {
    action()
    return undefined
  } catch (error) {
    return error
  }
}
