import { randomBytes } from 'node:crypto'
import { afterEach, expect, test, vi } from 'vitest'
import { computeAccept } from '../../src/handshake/key.ts'

afterEach(() => {
  vi.doUnmock('node:crypto')
  vi.resetModules()
})

async function load(hasOneShot: boolean): Promise<(key: string) => string> {
  vi.resetModules()
  if (!hasOneShot) {
    const crypto = await vi.importActual<typeof import('node:crypto')>('node:crypto')
    vi.doMock('node:crypto', () => ({ ...crypto, hash: undefined }))
  }
  return (await import('../../src/server/accept-value.ts')).acceptValue
}

test.each([true, false])('agrees with the portable version; with a one-shot hash: %s', async (hasOneShot) => {
  const acceptValue = await load(hasOneShot)
  // RFC 6455 section 1.3 gives this example.
  expect(acceptValue('dGhlIHNhbXBsZSBub25jZQ==')).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
  for (let count = 0; count < 100; count++) {
    const key = randomBytes(16).toString('base64')
    expect(acceptValue(key)).toBe(computeAccept(key))
  }
})
