import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { computeAccept, encodeKey, isValidKey } from '../../src/handshake/key.ts'

const nonces = fc.uint8Array({ minLength: 16, maxLength: 16 })

describe('encodeKey', () => {
  test('writes the nonce of RFC 6455 section 1.3', () => {
    expect(encodeKey(new TextEncoder().encode('the sample nonce'))).toBe('dGhlIHNhbXBsZSBub25jZQ==')
  })

  test('writes any nonce as base64 that a decoder reads back', () => {
    // Invariant: decoding the key gives the nonce, and the key is valid.
    fc.assert(
      fc.property(nonces, (nonce) => {
        const key = encodeKey(nonce)
        expect(Uint8Array.from(atob(key), (character) => character.charCodeAt(0))).toEqual(nonce)
        expect(isValidKey(key)).toBe(true)
      }),
    )
  })

  test.each([0, 15, 17])('refuses a nonce of %i bytes', (length) => {
    expect(() => encodeKey(new Uint8Array(length))).toThrow(
      new RangeError(`the nonce of a handshake has 16 bytes (RFC 6455 section 4.1), not ${length}`),
    )
  })
})

describe('isValidKey', () => {
  test.each([
    ['the key of RFC 6455', 'dGhlIHNhbXBsZSBub25jZQ=='],
    ['every kind of base64 digit', 'AZaz09+/AZaz09+/AZaz0w=='],
    ['a last digit with bits beyond the nonce', 'AAAAAAAAAAAAAAAAAAAAA/=='],
  ])('accepts %s', (_what, key) => {
    expect(isValidKey(key)).toBe(true)
  })

  test.each([
    ['an empty key', ''],
    ['one character too few', 'GhlIHNhbXBsZSBub25jZQ=='],
    ['one character too many', 'AdGhlIHNhbXBsZSBub25jZQ=='],
    ['17 bytes', 'dGhlIHNhbXBsZSBub25jZQA='],
    ['18 bytes', 'dGhlIHNhbXBsZSBub25jZQAA'],
    ['padding in the wrong place', 'dGhlIHNhbXBsZSBub25jZ==='],
    ['a first padding character that is a digit', 'dGhlIHNhbXBsZSBub25jZQA='],
    ['a last padding character that is a digit', 'dGhlIHNhbXBsZSBub25jZQ=A'],
    ['the alphabet of base64url', 'dGhlIHNhbXBsZSBub25j-_=='],
    ['spaces around', ' GhlIHNhbXBsZSBub25jZQ=='],
    ['a line break', 'dGhlIHNhbXB\nZSBub25jZQ=='],
    ['a character beyond ASCII', 'dGhlIHNhbXBsZSBub25jZ\u0141=='],
  ])('refuses %s', (_what, key) => {
    expect(isValidKey(key)).toBe(false)
  })

  test('survives any text', () => {
    // Invariant: no text throws, and what is valid decodes to 16 bytes.
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.base64String()), (text) => {
        expect(isValidKey(text) ? atob(text).length : 16).toBe(16)
      }),
    )
  })
})

describe('computeAccept', () => {
  test.each([
    ['dGhlIHNhbXBsZSBub25jZQ==', 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='],
    ['sN9cRrP/n9NdMgdcy2VJFQ==', 'fFBooB7FAkLlXgRSz0BT3v4hq5s='],
  ])('answers %s', (key, accept) => {
    expect(computeAccept(key)).toBe(accept)
  })

  test('agrees with the SHA-1 of OpenSSL', () => {
    // Invariant: the value is base64(SHA-1(key + GUID)), whatever was computed before.
    fc.assert(
      fc.property(nonces, (nonce) => {
        const key = encodeKey(nonce)
        const hash = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
        expect(computeAccept(key)).toBe(hash.digest('base64'))
      }),
      { numRuns: 500 },
    )
  })

  test.each(['', 'short', 'dGhlIHNhbXBsZSBub25jZQ==='])('refuses the key %j', (key) => {
    expect(() => computeAccept(key)).toThrow(RangeError)
  })
})
