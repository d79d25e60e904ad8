// Owns Sec-WebSocket-Key and the Accept value that answers it, with a SHA-1 made for exactly this input.
// Must not know headers or randomness: the nonce is given. WebCrypto has SHA-1 too, but only as a promise.

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
/** What is appended to a key (RFC 6455 section 1.3). */
export const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const NONCE_LENGTH = 16
const KEY_LENGTH = 24
/** What 132 bits take in base64: the 128 bits of the nonce and four that pad them. */
const KEY_DIGITS = 22

const isBase64Digit = new Uint8Array(128)
for (let i = 0; i < BASE64.length; i++) isBase64Digit[BASE64.charCodeAt(i)] = 1

/** Write a nonce of 16 bytes as a Sec-WebSocket-Key of 24 characters. Throws RangeError for another length. */
export function encodeKey(nonce: Uint8Array): string {
  if (nonce.length !== NONCE_LENGTH) {
    throw new RangeError(`the nonce of a handshake has 16 bytes (RFC 6455 section 4.1), not ${nonce.length}`)
  }
  return encodeBase64(nonce)
}

/** Tell whether a Sec-WebSocket-Key is the base64 of 16 bytes (RFC 6455 section 4.2.1). */
export function isValidKey(key: string): boolean {
  // The last digit carries four bits beyond the nonce. Encoders leave them 0, but nothing hangs on them: the
  // Accept value is computed from the characters, as "it is not necessary for the server to base64-decode".
  if (key.length !== KEY_LENGTH || key.charCodeAt(22) !== 0x3d || key.charCodeAt(23) !== 0x3d) return false
  for (let i = 0; i < KEY_DIGITS; i++) {
    if (isBase64Digit[key.charCodeAt(i)] !== 1) return false
  }
  return true
}

/** Compute the Sec-WebSocket-Accept value for a key of 24 characters (RFC 6455 section 4.2.2). Throws RangeError for another length. */
export function computeAccept(key: string): string {
  if (key.length !== KEY_LENGTH) {
    throw new RangeError(`a Sec-WebSocket-Key has 24 characters (RFC 6455 section 4.1), not ${key.length}`)
  }
  // The input is always 60 bytes: key and GUID fill words 0 to 14 of the first block, the end mark word 15,
  // and the second block holds only the length. So six words change from call to call.
  for (let word = 0, at = 0; word < KEY_LENGTH / 4; word++, at += 4) firstBlock[word] = wordAt(key, at)
  expandSchedule(firstBlock)
  state.set(INITIAL_STATE)
  compress(firstBlock)
  compress(secondBlock)
  for (let i = 0; i < digest.length; i++) digest[i] = state[i >> 2]! >>> (24 - 8 * (i & 3))
  return encodeBase64(digest)
}

const INITIAL_STATE = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0)
const ROUNDS = 80

// Reused by every call, which is safe because nothing in here waits.
const state = new Int32Array(5)
const digest = new Uint8Array(20)
const firstBlock = new Int32Array(ROUNDS)
const secondBlock = new Int32Array(ROUNDS)

for (let at = 0; at < GUID.length; at += 4) firstBlock[(KEY_LENGTH + at) / 4] = wordAt(GUID, at)
firstBlock[15] = 0x80000000
secondBlock[15] = (KEY_LENGTH + GUID.length) * 8
expandSchedule(secondBlock)

function wordAt(text: string, at: number): number {
  return (
    (text.charCodeAt(at) << 24) |
    (text.charCodeAt(at + 1) << 16) |
    (text.charCodeAt(at + 2) << 8) |
    text.charCodeAt(at + 3)
  )
}

/** Derive words 16 to 79 from the 16 words of a block (RFC 3174 section 6.1 step b). */
function expandSchedule(words: Int32Array): void {
  for (let i = 16; i < ROUNDS; i++) {
    const mixed = words[i - 3]! ^ words[i - 8]! ^ words[i - 14]! ^ words[i - 16]!
    words[i] = (mixed << 1) | (mixed >>> 31)
  }
}

/** Mix one expanded block into the state (RFC 3174 section 6.1 steps c to e). */
function compress(words: Int32Array): void {
  let a = state[0]!
  let b = state[1]!
  let c = state[2]!
  let d = state[3]!
  let e = state[4]!
  let i = 0
  for (; i < 20; i++) {
    const next = (((a << 5) | (a >>> 27)) + ((b & c) | (~b & d)) + e + 0x5a827999 + words[i]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (; i < 40; i++) {
    const next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + 0x6ed9eba1 + words[i]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (; i < 60; i++) {
    const next = (((a << 5) | (a >>> 27)) + ((b & c) | (b & d) | (c & d)) + e + 0x8f1bbcdc + words[i]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (; i < ROUNDS; i++) {
    const next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + 0xca62c1d6 + words[i]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  state[0]! += a
  state[1]! += b
  state[2]! += c
  state[3]! += d
  state[4]! += e
}

/** Write 16 or 20 bytes in base64. Lengths that need no padding do not occur here. */
function encodeBase64(bytes: Uint8Array): string {
  let text = ''
  let at = 0
  for (; at + 2 < bytes.length; at += 3) {
    const bits = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!
    text += BASE64[bits >> 18]! + BASE64[(bits >> 12) & 63]! + BASE64[(bits >> 6) & 63]! + BASE64[bits & 63]!
  }
  if (bytes.length - at === 1) {
    const bits = bytes[at]!
    return `${text}${BASE64[bits >> 2]}${BASE64[(bits & 3) << 4]}==`
  }
  const bits = (bytes[at]! << 8) | bytes[at + 1]!
  return `${text}${BASE64[bits >> 10]}${BASE64[(bits >> 4) & 63]}${BASE64[(bits & 15) << 2]}=`
}
