// Invariant: a server declines exactly the offers that RFC 7692 section 7 has it decline, and answers others as it may;
// a client throws a HandshakeError for exactly the responses that are wrong, and nothing else ever; what our server
// answers, our client understands in the same way; and the time is linear in the value.
// Input: plan of the long value (2 bytes; even for none), the server's flags and windows (2), the client's (2), then the
// value in Latin-1.

import { acceptDeflate, confirmDeflate, offerDeflate } from '../../src/deflate/negotiation.ts'
import { type CompressionOptions, resolveCompressionOptions } from '../../src/deflate/options.ts'
import { HandshakeError } from '../../src/errors.ts'
import {
  type ExtensionOffer,
  formatExtensionHeader,
  parseExtensionHeader,
} from '../../src/handshake/extension-header.ts'
import { concat, fromLatin1, InputReader, toLatin1 } from '../bytes.ts'
import { HEAD_DICTIONARY } from '../head.ts'
import { checkLinear, pump } from '../linear.ts'
import { check, checkEqual, type Target, thrownBy } from '../target.ts'

const FLAGS = ['server_no_context_takeover', 'client_no_context_takeover'] as const
const SERVER_BITS = 'server_max_window_bits'
const CLIENT_BITS = 'client_max_window_bits'
const NAMES = [...FLAGS, SERVER_BITS, CLIENT_BITS]
const BITS = /^(?:[89]|1[0-5])$/
// An error explains what it met in a sentence, however long that was.
const LONGEST_MESSAGE = 500
// Each needs an error of its own, which takes longer than to look at it.
const MOST_JUDGED = 8

type Side = 'offer' | 'response'

export const deflateNegotiation: Target = {
  name: 'deflate-negotiation',
  dictionary: [
    ...[...NAMES, '; ', '=8', '=9', '=15', '=16', '=08', '="10"', ', permessage-deflate'].map(fromLatin1),
    ...HEAD_DICTIONARY,
  ],

  generate(random) {
    const plan = random.oneIn(8) ? random.below(0x10000) : 0
    const value = (): string =>
      random.oneIn(4)
        ? random.pick(['0', '7', '16', '08', '010', '1e1', '99999999999999999999', '-9', '+9', 'true'])
        : String(random.between(8, 15))
    let text = ''
    for (let count = random.between(1, 3); count > 0; count--) {
      text += random.oneIn(16) ? 'x-other' : 'permessage-deflate'
      for (let parameters = random.below(5); parameters > 0; parameters--) {
        const name = random.oneIn(16) ? random.pick(['mode', '__proto__', 'constructor']) : random.pick(NAMES)
        const hasValue = name === SERVER_BITS || random.oneIn(name === CLIENT_BITS ? 2 : 12)
        text += `; ${name}`
        if (hasValue) text += random.oneIn(6) ? `="${value()}"` : `=${value()}`
      }
      if (count > 1) text += ', '
    }
    return concat([[plan >> 8, plan & 0xff], random.bytes(4), fromLatin1(text)])
  },

  run(input) {
    const reader = new InputReader(input)
    const plan = reader.uint16()
    const server = resolveCompressionOptions(readOptions(reader), 'server')
    const client = resolveCompressionOptions(readOptions(reader), 'client')
    const value = toLatin1(reader.rest())
    const elements = parseExtensionHeader(value)

    const [first] = offerDeflate(client)
    const ours = acceptDeflate(first!, server)
    check(ours !== undefined, 'our server declines our client')
    checkSame(confirmDeflate(ours.response, client), ours.agreed)

    if ((plan & 1) === 1) {
      const long = pump(value, plan)
      checkLinear(() => {
        const longest = { name: '', parameters: [] } as ExtensionOffer
        let most = longest
        for (const offer of parseExtensionHeader(long) ?? []) {
          acceptDeflate(offer, server)
          if (offer.parameters.length > most.parameters.length) most = offer
        }
        thrownBy(() => confirmDeflate(most, client))
      }, 'the negotiation')
    }
    if (elements === undefined) return 'malformed'
    return elements.slice(0, MOST_JUDGED).map(judge).join(' ')

    function judge(element: ExtensionOffer): string {
      const acceptance = acceptDeflate(element, server)
      const isDeclined = !isLegal(element, 'offer') || numberOf(element, SERVER_BITS) === 8
      check((acceptance === undefined) === isDeclined, () => `${show(element)} was judged wrongly`)
      let behaviour = 'declined'
      if (acceptance !== undefined) {
        const { response, agreed } = acceptance
        checkResponse(element, response)
        const [read] = parseExtensionHeader(formatExtensionHeader([response]))!
        // To whom it had been offered that its window be chosen.
        if (has(element, CLIENT_BITS)) checkSame(confirmDeflate(read!, { ...client, ...FORGETFUL }), agreed)
        behaviour = response.parameters.map(({ name }) => name.replace(/[^_]*_?/g, (part) => part[0]!)).join()
      }
      const error = thrownBy(() => confirmDeflate(element, client))
      check(
        isLegal(element, 'response') ? error === undefined : error instanceof HandshakeError,
        () => `the response ${show(element)} led to ${String(error)}`,
      )
      if (error instanceof HandshakeError) {
        check(error.code === 'WS_BAD_EXTENSION' && error.status === 0, 'another error was thrown')
        check(error.message.length < LONGEST_MESSAGE, 'an error is too long')
        check(/^[\x20-\x7e…]*$/.test(error.message), 'an error cannot be printed')
      }
      return `${behaviour} ${error === undefined}`
    }
  },
}

/** A client that adds nothing to what the response says. */
const FORGETFUL = { clientNoContextTakeover: false }

function readOptions(reader: InputReader): CompressionOptions {
  const flags = reader.byte()
  const windows = reader.byte()
  return {
    serverNoContextTakeover: (flags & 1) === 1,
    clientNoContextTakeover: (flags & 2) === 2,
    serverMaxWindowBits: 9 + ((windows & 15) % 7),
    clientMaxWindowBits: 9 + ((windows >> 4) % 7),
  }
}

/** RFC 7692 section 7.1, naively: each parameter once, with a value or without, as it must be. */
function isLegal({ parameters }: ExtensionOffer, side: Side): boolean {
  const names = parameters.map(({ name }) => name)
  return (
    new Set(names).size === names.length &&
    parameters.every(({ name, value }) => {
      if (name === CLIENT_BITS && side === 'offer' && value === undefined) return true
      if (name === CLIENT_BITS || name === SERVER_BITS) return value !== undefined && BITS.test(value)
      return (FLAGS as readonly string[]).includes(name) && value === undefined
    })
  )
}

/** The rules that bind a response to its offer. */
function checkResponse(offer: ExtensionOffer, response: ExtensionOffer): void {
  check(isLegal(response, 'response'), () => `the answer ${show(response)} is not legal`)
  if (has(offer, FLAGS[0])) check(has(response, FLAGS[0]), 'the server does not forget its window')
  if (!has(offer, CLIENT_BITS)) check(!has(response, CLIENT_BITS), 'a window was chosen that was not offered')
  for (const name of [SERVER_BITS, CLIENT_BITS]) {
    const asked = numberOf(offer, name)
    const answered = numberOf(response, name)
    if (name === SERVER_BITS && asked !== undefined) check(answered !== undefined, 'a window was ignored')
    check((answered ?? 0) <= (asked ?? 15), 'a window is larger than what was asked for')
  }
}

function has({ parameters }: ExtensionOffer, name: string): boolean {
  return parameters.some((parameter) => parameter.name === name)
}

function numberOf({ parameters }: ExtensionOffer, name: string): number | undefined {
  const value = parameters.find((parameter) => parameter.name === name)?.value
  return value === undefined ? undefined : Number(value)
}

function checkSame(actual: object, expected: object): void {
  checkEqual([JSON.stringify(actual)], [JSON.stringify(expected)], 'what was agreed')
}

function show(offer: ExtensionOffer): string {
  return JSON.stringify(formatExtensionHeader([offer]))
}
