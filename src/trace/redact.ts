// Hides credentials in what is shown of a handshake. Names decide, and for subprotocols, where browsers have to put
// their tokens, what a name looks like. In doubt it hides: a trace is pasted into reports of bugs.

/** Hide a value of a name, or show it: `undefined`. */
export type Redact = (name: string, value: string) => string | undefined

/** What stands in place of what is hidden. */
export const HIDDEN = '***'

/** Names that hold a word below and no secret: challenges, and the two numbers of the handshake. */
const HARMLESS: ReadonlySet<string> = new Set([
  'sec-websocket-key',
  'sec-websocket-accept',
  'www-authenticate',
  'proxy-authenticate',
])

const SECRET_PARTS =
  /auth(?!or(?!i[sz]))|cookie|credential|apikey|jwt|passw|secret|session|signature|token|accesskey|privatekey/
const SECRET_WORDS: ReadonlySet<string> = new Set(['code', 'key', 'otp', 'pass', 'pin', 'pwd', 'sid', 'sig'])

/** Tell whether values of this name are secrets: `Authorization`, `access_token`, `X-Api-Key`, `apiKey`. */
export function isSecretName(name: string): boolean {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
  return SECRET_PARTS.test(words.join('')) || words.some((word) => SECRET_WORDS.has(word))
}

/** Hide what must not be shown of a handshake. */
export class Redactor {
  readonly #own: Redact | undefined

  /** `own` hides more; it is asked about what would be shown. */
  constructor(own?: Redact) {
    this.#own = own
  }

  /** The value of a header as it is shown. */
  header(name: string, value: string): string {
    const lowerName = name.toLowerCase()
    if (lowerName === 'sec-websocket-protocol') return this.#ask(name, hideSubprotocols(value))
    if (!HARMLESS.has(lowerName) && isSecretName(name)) return hideCredentials(value)
    return this.#ask(name, this.text(value))
  }

  /** The target of a request as it is shown. */
  target(target: string): string {
    return this.#ask('target', this.text(target))
  }

  /** Any text as it is shown: without the user info and the secret parameters of URLs, and without JSON web tokens. */
  text(text: string): string {
    return text
      .replace(USER_INFO, `//${HIDDEN}@`)
      .replace(PARAMETER, (whole, before: string, name: string, value: string) => {
        const shown = isSecretName(decodeName(name)) ? HIDDEN : this.#ask(decodeName(name), value)
        return shown === value ? whole : `${before}${name}=${shown}`
      })
      .replace(JSON_WEB_TOKEN, HIDDEN)
  }

  /** The message of an error as it is shown: what it quotes of a peer may be a token, too. */
  message(text: string): string {
    return this.text(text).replace(/"[^"]*"/g, (quoted) => (looksLikeToken(quoted) ? `"${HIDDEN}"` : quoted))
  }

  #ask(name: string, value: string): string {
    if (this.#own === undefined) return value
    try {
      const shown: unknown = this.#own(name, value)
      return shown === undefined ? value : String(shown)
    } catch {
      return HIDDEN
    }
  }
}

const USER_INFO = /\/\/[^/?#\s]*@/g
const PARAMETER = /([?&;#])([^=&;#?\s]{1,200})=([^&;#\s"'<>]*)/g
const JSON_WEB_TOKEN = /(?<![\w-])eyJ[\w-]{6,}(?:\.[\w-]*){1,4}/g
const SCHEME = /^(?:apikey|aws4-hmac-sha256|basic|bearer|digest|negotiate|ntlm|token)(?= +\S)/i

// The scheme says what kind of credentials were sent, which is half of what somebody who looks for a mistake wants.
function hideCredentials(value: string): string {
  const scheme = SCHEME.exec(value)
  return scheme === null ? HIDDEN : `${scheme[0]} ${HIDDEN}`
}

function decodeName(name: string): string {
  try {
    return decodeURIComponent(name.replaceAll('+', ' '))
  } catch {
    return name
  }
}

function hideSubprotocols(value: string): string {
  let isAnnounced = false
  const shown = value.split(',').map((entry) => {
    const name = entry.trim()
    const isSecret = isAnnounced || looksLikeToken(name)
    // `bearer, eyJ…` and `access_token, …` are ways to send a token where browsers allow nothing else.
    isAnnounced = name.toLowerCase() === 'bearer' || isSecretName(name)
    return isSecret ? HIDDEN : name
  })
  return shown.join(', ')
}

// Names of subprotocols are words with dots, dashes and versions; 20 characters without a break that are not all of
// one kind are no word.
function looksLikeToken(name: string): boolean {
  if (/(?:^|[^\w-])eyJ[\w-]{6,}/.test(name)) return true
  const runs = name.match(/[A-Za-z0-9_+/=~%-]{20,}/g) ?? []
  return runs.some((run) => run.length >= 40 || /\d/.test(run) || (/[a-z]/.test(run) && /[A-Z]/.test(run)))
}
