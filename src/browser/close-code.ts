// Close codes in browsers: programs may send 1000 and 3000 to 4999 there, and nothing else.

import { CloseCode, isValidCloseCode } from '../protocol/close-code.ts'
import { MAX_CLOSE_REASON } from '../protocol/limits.ts'
import { portablePlatform } from '../protocol/platform.ts'
import { notInBrowser } from './unsupported.ts'

// The codes of RFC 6455 begin at 1000, those for private use at 4000.
const TO_PRIVATE_USE = 3000

/** Give the code that goes out for one of ours: 4011 for 1011, and so on. */
export function sendableCode(code: number): number {
  return isForPrograms(code) ? code : code + TO_PRIVATE_USE
}

function isForPrograms(code: number): boolean {
  return code === CloseCode.Normal || code >= 3000
}

/**
 * Check what a program wants to close with. Throw a RangeError for what must not be sent at all, and a StateError for what
 * only a browser does not send.
 */
export function assertClose(code: number, reason: string): void {
  if (!Number.isInteger(code) || !isValidCloseCode(code)) {
    throw new RangeError(`close code ${code} must not be sent: use 1000 or 3000-4999`)
  }
  const size = portablePlatform.utf8Length(reason)
  if (size > MAX_CLOSE_REASON) {
    throw new RangeError(`the close reason takes ${size} bytes of UTF-8, and may take ${MAX_CLOSE_REASON}`)
  }
  if (!isForPrograms(code)) {
    throw notInBrowser(`close with ${code}`, `Use 1000, or a code of your own such as ${sendableCode(code)}`)
  }
}
