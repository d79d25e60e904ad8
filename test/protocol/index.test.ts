import { expect, test } from 'vitest'
import * as entry from '../../src/protocol/index.ts'

// Whoever changes this list changes the public API.
test('openline/protocol exports these values and no more', () => {
  expect(Object.keys(entry).sort()).toEqual([
    'ByteOutput',
    'CLIENT_MAX_MESSAGE_SIZE',
    'CloseCode',
    'MAX_FRAGMENTS',
    'Opcode',
    'PreparedMessage',
    'Protocol',
    'ProtocolError',
    'ReservedBit',
    'SERVER_MAX_MESSAGE_SIZE',
    'WebSocketError',
    'applyMask',
    'createJavaScriptKernel',
    'createMaskingKeySource',
    'describeFrame',
    'explainCloseCode',
    'isControl',
    'isOrdinaryClose',
    'isValidCloseCode',
    'portablePlatform',
    'transitions',
  ])
})

test('openline/protocol states the limits that its documentation promises', () => {
  expect(entry.SERVER_MAX_MESSAGE_SIZE).toBe(1_048_576)
  expect(entry.CLIENT_MAX_MESSAGE_SIZE).toBe(16_777_216)
  expect(entry.MAX_FRAGMENTS).toBe(131_072)
})
