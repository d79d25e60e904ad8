// Which extensions a connection has: what is offered, accepted and confirmed in the handshake, permessage-deflate
// first, and what comes of it for the protocol.

import {
  acceptDeflate,
  confirmDeflate,
  type DeflateParameters,
  offerDeflate,
  PERMESSAGE_DEFLATE,
} from '../deflate/negotiation.ts'
import type { ResolvedCompressionOptions } from '../deflate/options.ts'
import { PerMessageDeflate } from '../deflate/permessage-deflate.ts'
import { HandshakeError, quoteForMessage } from '../errors.ts'
import {
  type ExtensionOffer,
  type ExtensionParameter,
  formatExtensionHeader,
} from '../handshake/extension-header.ts'
import { isToken } from '../handshake/header-grammar.ts'
import type { Compression } from '../protocol/compression.ts'
import type { Extension } from '../protocol/extension.ts'
import type { Role } from '../protocol/protocol.ts'
import type { TimerWheel } from '../timing/timer-wheel.ts'

/** Negotiate an extension of one's own (RFC 6455 section 9). A client needs the first two methods, a server the third. */
export interface ExtensionDefinition {
  /** The name, as in Sec-WebSocket-Extensions. */
  readonly name: string
  /** Make a client's offer: its parameters. */
  offer?(): readonly ExtensionParameter[]
  /** Take the parameters with which a server accepted the offer. Throw to fail the handshake. */
  confirm?(parameters: readonly ExtensionParameter[]): Extension
  /** Accept a client's offer, with parameters of the answer, or decline it with `undefined`. */
  accept?(
    parameters: readonly ExtensionParameter[],
  ): { readonly parameters: readonly ExtensionParameter[]; readonly extension: Extension } | undefined
}

/** What a connection can be told about extensions, with all defaults filled in. */
export interface ExtensionOptions {
  /** Absent when nothing is to be compressed. */
  readonly compression: ResolvedCompressionOptions | undefined
  readonly extensions: readonly ExtensionDefinition[]
}

/** Hold the extensions that both ends agreed on. */
export interface AgreedExtensions {
  readonly compression: Compression | undefined
  readonly extensions: readonly Extension[]
  /** The value of Sec-WebSocket-Extensions in the response; empty without extensions. */
  readonly header: string
}

const NONE: AgreedExtensions = { compression: undefined, extensions: [], header: '' }

/** Make a client's offers. */
export function offerExtensions({ compression, extensions }: ExtensionOptions): ExtensionOffer[] {
  const offers = compression === undefined ? [] : offerDeflate(compression)
  for (const definition of extensions) {
    const parameters = definition.offer?.()
    if (parameters !== undefined) offers.push({ name: definition.name, parameters })
  }
  return offers
}

/** Choose among a client's offers. */
export function acceptExtensions(
  offers: readonly ExtensionOffer[],
  options: ExtensionOptions,
  wheel: TimerWheel,
): AgreedExtensions {
  if (offers.length === 0) return NONE
  const accepted: ExtensionOffer[] = []
  let compression: Compression | undefined
  if (options.compression !== undefined) {
    for (const offer of offers) {
      if (offer.name !== PERMESSAGE_DEFLATE) continue
      const acceptance = acceptDeflate(offer, options.compression)
      if (acceptance === undefined) continue
      accepted.push(acceptance.response)
      compression = deflate('server', acceptance.agreed, options.compression, wheel)
      break
    }
  }
  const extensions: Extension[] = []
  for (const definition of options.extensions) {
    for (const { name, parameters } of offers) {
      const acceptance = name === definition.name ? definition.accept?.(parameters) : undefined
      if (acceptance === undefined) continue
      accepted.push({ name, parameters: acceptance.parameters })
      extensions.push(acceptance.extension)
      break
    }
  }
  if (accepted.length === 0) return NONE
  return { compression, extensions, header: formatExtensionHeader(accepted) }
}

/** Read a server's answer. Throw a HandshakeError when it accepted what was not offered. */
export function confirmExtensions(
  accepted: readonly ExtensionOffer[],
  options: ExtensionOptions,
  wheel: TimerWheel,
): AgreedExtensions {
  if (accepted.length === 0) return NONE
  let compression: Compression | undefined
  const extensions: Extension[] = []
  const seen = new Set<string>()
  for (const acceptance of accepted) {
    const { name, parameters } = acceptance
    if (seen.has(name)) throw refusal(`the server chose ${quoteForMessage(name)} twice`)
    seen.add(name)
    const definition = options.extensions.find((each) => each.name === name)
    if (name === PERMESSAGE_DEFLATE && options.compression !== undefined) {
      // RFC 6455 section 9.1: the order is that in which they apply, and nothing of ours can stand before.
      if (extensions.length > 0)
        throw refusal(`the server put ${PERMESSAGE_DEFLATE} behind another extension`)
      const agreed = confirmDeflate(acceptance, options.compression)
      compression = deflate('client', agreed, options.compression, wheel)
    } else if (definition?.offer !== undefined && definition.confirm !== undefined) {
      extensions.push(confirm(definition.confirm.bind(definition), name, parameters))
    } else {
      throw refusal(`the server chose ${quoteForMessage(name)}, which was not offered`)
    }
  }
  return { compression, extensions, header: formatExtensionHeader(accepted) }
}

function deflate(
  role: Role,
  agreed: DeflateParameters,
  options: ResolvedCompressionOptions,
  wheel: TimerWheel,
): Compression {
  return new PerMessageDeflate(role, agreed, options, wheel)
}

function confirm(
  call: (parameters: readonly ExtensionParameter[]) => Extension,
  name: string,
  parameters: readonly ExtensionParameter[],
): Extension {
  try {
    return call(parameters)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw refusal(`${quoteForMessage(name)} does not take the server's answer: ${why}`, error)
  }
}

function refusal(detail: string, cause?: unknown): HandshakeError {
  return new HandshakeError({ code: 'WS_BAD_EXTENSION', detail, status: 0, cause })
}

/** Check extensions of one's own. Throw a TypeError that says which is wrong. */
export function checkExtensions(definitions: readonly ExtensionDefinition[]): void {
  if (!Array.isArray(definitions)) throw new TypeError('extensions must be a list of definitions')
  const names = new Set<string>([PERMESSAGE_DEFLATE])
  for (const definition of definitions) {
    const name: unknown = definition?.name
    if (typeof name !== 'string' || !isToken(name)) {
      throw new TypeError(`an extension's name must be a token, not ${JSON.stringify(name)}`)
    }
    if (names.has(name)) throw new TypeError(`the extension ${quoteForMessage(name)} is defined already`)
    names.add(name)
    if ((definition.offer === undefined) !== (definition.confirm === undefined)) {
      throw new TypeError(
        `the extension ${quoteForMessage(name)} needs both offer() and confirm() on clients`,
      )
    }
  }
}
