// Owns the syntax of Sec-WebSocket-Extensions, the same in requests and responses.
// Must not know any extension: which names and parameters make sense, and duplicates, the extension judges.

import { HeaderScanner, isToken } from './header-grammar.ts'

/** Hold one parameter of an extension, such as `server_max_window_bits=10`. */
export interface ExtensionParameter {
  readonly name: string
  /** The value without quotes; `undefined` when the parameter stands alone. */
  readonly value: string | undefined
}

/** Hold one element of Sec-WebSocket-Extensions: what a client offers or a server accepts. */
export interface ExtensionOffer {
  readonly name: string
  /** In the order of the header; names may repeat. */
  readonly parameters: readonly ExtensionParameter[]
}

/** Parse a Sec-WebSocket-Extensions value (RFC 6455 section 9.1); `undefined` when it is malformed or names nothing. */
export function parseExtensionHeader(value: string): ExtensionOffer[] | undefined {
  const scanner = new HeaderScanner(value)
  const offers: ExtensionOffer[] = []
  do {
    const name = scanner.takeToken()
    // An empty element; anything else that is no token stays and shows below.
    if (name === undefined) continue
    const parameters: ExtensionParameter[] = []
    while (scanner.takeSeparator(';')) {
      const parameter = takeParameter(scanner)
      if (parameter === undefined) return undefined
      parameters.push(parameter)
    }
    offers.push({ name, parameters })
  } while (scanner.takeSeparator(','))
  // "extension-list = 1#extension": at least one.
  return scanner.done && offers.length > 0 ? offers : undefined
}

/** Write offers as a Sec-WebSocket-Extensions value. Throws TypeError for a name or value that is no token. */
export function formatExtensionHeader(offers: readonly ExtensionOffer[]): string {
  return offers.map(formatOffer).join(', ')
}

function takeParameter(scanner: HeaderScanner): ExtensionParameter | undefined {
  const name = scanner.takeToken()
  if (name === undefined) return undefined
  if (!scanner.takeSeparator('=')) return { name, value: undefined }
  const value = scanner.takeToken() ?? scanner.takeQuotedString()
  // "When using the quoted-string syntax variant, the value after quoted-string unescaping MUST conform to the
  // 'token' ABNF." This also refuses every control character, so the quoted text needs no check of its own.
  return value !== undefined && isToken(value) ? { name, value } : undefined
}

function formatOffer({ name, parameters }: ExtensionOffer): string {
  let text = requireToken(name)
  for (const parameter of parameters) {
    text += `; ${requireToken(parameter.name)}`
    if (parameter.value !== undefined) text += `=${requireToken(parameter.value)}`
  }
  return text
}

function requireToken(value: string): string {
  if (isToken(value)) return value
  throw new TypeError(
    `an extension's names and values must be tokens (RFC 6455 section 9.1), not ${JSON.stringify(value)}`,
  )
}
