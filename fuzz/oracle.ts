// What UTF-8 is, as the runtime's own decoder says.

import { concat } from './bytes.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Decode UTF-8; `undefined` when it is invalid or ends within a character. */
export function decodeFatally(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

// Every beginning of a character is completed by one of these: the bytes after E0 and F0 must be larger.
const COMPLETIONS = [[], [0x80], [0x80, 0x80], [0xa0, 0x80], [0x80, 0x80, 0x80], [0x90, 0x80, 0x80]]

/** Tell whether some continuation makes the bytes valid. */
export function canBecomeUtf8(bytes: Uint8Array): boolean {
  return COMPLETIONS.some((completion) => decodeFatally(concat([bytes, completion])) !== undefined)
}
