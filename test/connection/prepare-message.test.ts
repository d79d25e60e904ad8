import { describe, expect, test } from 'vitest'
import type { Connection } from '../../src/connection/connection.ts'
import { prepareMessage, sendToAll } from '../../src/connection/prepare-message.ts'
import { Opcode } from '../../src/protocol/opcode.ts'
import { portablePlatform } from '../../src/protocol/platform.ts'
import type { PreparedMessage } from '../../src/protocol/prepared-message.ts'
import { hex, utf8 } from '../support/bytes.ts'

describe('prepareMessage', () => {
  test.each([
    ['text', 'é', {}, Opcode.Text, utf8('é')],
    ['bytes', hex('01 02'), {}, Opcode.Binary, hex('01 02')],
    ['bytes as text', utf8('é'), { type: 'text' as const }, Opcode.Text, utf8('é')],
    ['text as binary', 'é', { type: 'binary' as const }, Opcode.Binary, utf8('é')],
  ])('encodes %s', (_, message, options, opcode, payload) => {
    expect(prepareMessage(message, options, portablePlatform)).toMatchObject({
      opcode,
      payload,
      isCompressible: true,
    })
  })

  test('takes note of what must not be compressed', () => {
    expect(prepareMessage('secret', { compress: false }, portablePlatform).isCompressible).toBe(false)
  })

  test('throws for what is no message', () => {
    expect(() => prepareMessage(5 as never, {}, portablePlatform)).toThrow(TypeError)
    expect(() => prepareMessage(hex('ff'), { type: 'text' }, portablePlatform)).toThrow(TypeError)
  })
})

describe('sendToAll', () => {
  const fake = (takes: boolean): { got: PreparedMessage[]; connection: Connection } => {
    const got: PreparedMessage[] = []
    const sendPrepared = (message: PreparedMessage): boolean => {
      if (takes) got.push(message)
      return takes
    }
    return { got, connection: { sendPrepared } as Connection }
  }

  test('encodes once, leaves one out, and counts who took it', () => {
    const [one, other, except, closed] = [fake(true), fake(true), fake(true), fake(false)]
    const all = [one, other, except, closed].map(({ connection }) => connection)
    expect(sendToAll(all, 'x', { except: except.connection }, portablePlatform)).toBe(2)
    expect(one.got).toHaveLength(1)
    expect(one.got[0]).toBe(other.got[0])
    expect(except.got).toEqual([])
  })

  test('sends what was prepared as it is', () => {
    const { got, connection } = fake(true)
    const prepared = prepareMessage('x', {}, portablePlatform)
    expect(sendToAll([connection], prepared, {}, portablePlatform)).toBe(1)
    expect(got[0]).toBe(prepared)
  })
})
