// Payloads of exact sizes, and the frames that carry them.

import { engine } from '../../src/kernel/engine.ts'
import { FIN, FrameSerializer } from '../../src/protocol/frame-serializer.ts'
import { Opcode } from '../../src/protocol/opcode.ts'
import { ByteOutput } from '../../src/protocol/output.ts'

export interface Payload {
  readonly kind: string
  readonly size: number
  readonly content: string | Uint8Array
}

const SIZES = [0, 32, 125, 1024, 16 * 1024]

/** All payloads: empty, and of each size ASCII, Chinese (three bytes for a character) and binary. */
export const payloads: readonly Payload[] = SIZES.flatMap((size): Payload[] =>
  size === 0
    ? [{ kind: 'empty', size, content: '' }]
    : [
        { kind: 'ASCII', size, content: 'The quick brown fox. '.repeat(size).slice(0, size) },
        { kind: 'Chinese', size, content: '中'.repeat(Math.floor(size / 3)) + 'x'.repeat(size % 3) },
        { kind: 'binary', size, content: Uint8Array.from({ length: size }, (_, index) => index * 31) },
      ],
)

/** Write a payload as one frame. */
export function writeFrame(serializer: FrameSerializer, content: string | Uint8Array): void {
  if (typeof content === 'string') serializer.writeText(FIN | Opcode.Text, content)
  else serializer.writeBytes(FIN | Opcode.Binary, content)
}

/** Make the bytes of so many frames, masked as clients' are. */
export function wireOf(content: string | Uint8Array, count: number, masked: boolean): Uint8Array {
  const output = new ByteOutput()
  const serializer = new FrameSerializer(output, engine.platform, masked ? engine.maskingKeys : undefined)
  for (let index = 0; index < count; index++) writeFrame(serializer, content)
  return output.takeOutput()
}
