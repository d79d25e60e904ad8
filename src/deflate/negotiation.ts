// How two ends agree on permessage-deflate: offers, what is accepted of them, and what an acceptance says
// (RFC 7692 sections 5 and 7.1). Pure functions over parsed headers.

import { HandshakeError, quoteForMessage } from '../errors.ts'
import type { ExtensionOffer, ExtensionParameter } from '../handshake/extension-header.ts'
import { LEAST_WINDOW_BITS, MOST_WINDOW_BITS, type ResolvedCompressionOptions } from './options.ts'

/** The registered name of the extension. */
export const PERMESSAGE_DEFLATE = 'permessage-deflate'

/** Hold what both ends agreed on. */
export interface DeflateParameters {
  readonly serverNoContextTakeover: boolean
  readonly clientNoContextTakeover: boolean
  readonly serverMaxWindowBits: number
  readonly clientMaxWindowBits: number
}

/** The parameters of one offer or acceptance, read but not yet judged. */
interface GivenParameters {
  serverNoContextTakeover: boolean
  clientNoContextTakeover: boolean
  serverMaxWindowBits: number | undefined
  /** `true` when it stands without a value, which only an offer may have. */
  clientMaxWindowBits: number | true | undefined
}

/** Make a client's offers, the preferred one first. */
export function offerDeflate(options: ResolvedCompressionOptions): ExtensionOffer[] {
  const { serverNoContextTakeover, clientNoContextTakeover, serverMaxWindowBits } = options
  // RFC 7692 section 7.1.2.2: without a value this only says that the server may choose our window. Ours can be
  // smaller whatever it chooses.
  const plain = { name: 'client_max_window_bits', value: undefined }
  const parameters: ExtensionParameter[] = []
  if (serverNoContextTakeover) parameters.push({ name: 'server_no_context_takeover', value: undefined })
  if (clientNoContextTakeover) parameters.push({ name: 'client_no_context_takeover', value: undefined })
  if (serverMaxWindowBits < MOST_WINDOW_BITS) {
    parameters.push({ name: 'server_max_window_bits', value: String(serverMaxWindowBits) })
  }
  const offers = [{ name: PERMESSAGE_DEFLATE, parameters: [...parameters, plain] }]
  // A server declines an offer of which it does not know, or cannot do, a part. The plain one is the fallback.
  if (parameters.length > 0) offers.push({ name: PERMESSAGE_DEFLATE, parameters: [plain] })
  return offers
}

/** Accept a client's offer, or decline it: `undefined`. */
export function acceptDeflate(
  offer: ExtensionOffer,
  options: ResolvedCompressionOptions,
): { readonly agreed: DeflateParameters; readonly response: ExtensionOffer } | undefined {
  const given = readParameters(offer.parameters, 'offer')
  // RFC 7692 section 7: "A server MUST decline an extension negotiation offer for this extension if [...] the
  // negotiation offer contains an extension parameter not defined for use in an offer", one "with an invalid value",
  // or "multiple extension parameters with the same name".
  if (typeof given === 'string') return undefined
  const serverMaxWindowBits = Math.min(
    given.serverMaxWindowBits ?? MOST_WINDOW_BITS,
    options.serverMaxWindowBits,
  )
  // zlib cannot compress with so small a window.
  if (serverMaxWindowBits < LEAST_WINDOW_BITS) return undefined
  const { clientMaxWindowBits: offered } = given
  const agreed = {
    serverNoContextTakeover: given.serverNoContextTakeover || options.serverNoContextTakeover,
    clientNoContextTakeover: given.clientNoContextTakeover || options.clientNoContextTakeover,
    serverMaxWindowBits,
    // RFC 7692 section 7.1.2.2: "If a received extension negotiation offer doesn't have the "client_max_window_bits"
    // extension parameter, the corresponding extension negotiation response to the offer MUST NOT include" it.
    clientMaxWindowBits:
      offered === undefined
        ? MOST_WINDOW_BITS
        : Math.min(offered === true ? MOST_WINDOW_BITS : offered, options.clientMaxWindowBits),
  }
  return { agreed, response: formatAcceptance(agreed, given) }
}

function formatAcceptance(agreed: DeflateParameters, given: GivenParameters): ExtensionOffer {
  const parameters: ExtensionParameter[] = []
  if (agreed.serverNoContextTakeover) {
    parameters.push({ name: 'server_no_context_takeover', value: undefined })
  }
  if (agreed.clientNoContextTakeover) {
    parameters.push({ name: 'client_no_context_takeover', value: undefined })
  }
  if (given.serverMaxWindowBits !== undefined || agreed.serverMaxWindowBits < MOST_WINDOW_BITS) {
    parameters.push({ name: 'server_max_window_bits', value: String(agreed.serverMaxWindowBits) })
  }
  if (given.clientMaxWindowBits !== undefined && agreed.clientMaxWindowBits < MOST_WINDOW_BITS) {
    parameters.push({ name: 'client_max_window_bits', value: String(agreed.clientMaxWindowBits) })
  }
  return { name: PERMESSAGE_DEFLATE, parameters }
}

/** Read a server's acceptance. Throw a HandshakeError for one that no offer of ours allows. */
export function confirmDeflate(
  acceptance: ExtensionOffer,
  options: ResolvedCompressionOptions,
): DeflateParameters {
  const given = readParameters(acceptance.parameters, 'response')
  if (typeof given === 'string') throw refusal(given)
  // Where the server accepted the plain offer, or did less than it was asked, we manage all the same: with any window
  // of the server's that we did not ask for, too. The plain offer allows it, and ws answers so.
  return {
    serverNoContextTakeover: given.serverNoContextTakeover,
    clientNoContextTakeover: given.clientNoContextTakeover || options.clientNoContextTakeover,
    serverMaxWindowBits: given.serverMaxWindowBits ?? MOST_WINDOW_BITS,
    clientMaxWindowBits: (given.clientMaxWindowBits as number | undefined) ?? MOST_WINDOW_BITS,
  }
}

// RFC 7692 section 7: "A client MUST _Fail the WebSocket Connection_ if the peer server accepted an extension
// negotiation offer for this extension with an extension negotiation response" that is wrong.
function refusal(what: string): HandshakeError {
  const detail = `the server's ${PERMESSAGE_DEFLATE} is wrong: ${what}`
  return new HandshakeError({ code: 'WS_BAD_EXTENSION', detail, status: 0 })
}

/** Read parameters; a string says what is wrong with them. */
function readParameters(
  parameters: readonly ExtensionParameter[],
  where: 'offer' | 'response',
): GivenParameters | string {
  const given: GivenParameters = {
    serverNoContextTakeover: false,
    clientNoContextTakeover: false,
    serverMaxWindowBits: undefined,
    clientMaxWindowBits: undefined,
  }
  const seen = new Set<string>()
  for (const { name, value } of parameters) {
    if (seen.has(name)) return `${quoteForMessage(name)} stands twice`
    seen.add(name)
    switch (name) {
      case 'server_no_context_takeover':
      case 'client_no_context_takeover':
        if (value !== undefined) return `${name} must have no value`
        if (name === 'server_no_context_takeover') given.serverNoContextTakeover = true
        else given.clientNoContextTakeover = true
        break
      case 'server_max_window_bits':
        given.serverMaxWindowBits = parseWindowBits(value)
        if (given.serverMaxWindowBits === undefined) return `${name} must be 8 to 15`
        break
      case 'client_max_window_bits':
        given.clientMaxWindowBits = value === undefined && where === 'offer' ? true : parseWindowBits(value)
        if (given.clientMaxWindowBits === undefined) return `${name} must be 8 to 15`
        break
      default:
        return `${quoteForMessage(name)} is no parameter of it`
    }
  }
  return given
}

// RFC 7692 section 7.1.2.1: "a decimal integer value without leading zeroes between 8 to 15, inclusive".
function parseWindowBits(value: string | undefined): number | undefined {
  const bits = WINDOW_BITS.indexOf(value ?? '')
  return bits === -1 ? undefined : bits + 8
}

const WINDOW_BITS = ['8', '9', '10', '11', '12', '13', '14', '15']
