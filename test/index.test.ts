import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import * as openline from '../src/index.ts'
import * as protocol from '../src/protocol/index.ts'
import * as testing from '../src/testing/index.ts'

/** Read the names of types that an entry exports; values are known at run time. */
function typeExports(path: string): string[] {
  const source = readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
  const names: string[] = []
  for (const [, isType, list] of source.matchAll(/^export (type )?\{([^}]*)\}/gm)) {
    for (const item of list!.split(',')) {
      const text = item.trim()
      if (text === '' || (isType === undefined && !text.startsWith('type '))) continue
      names.push(text.replace(/^type /, '').replace(/^\w+ as /, ''))
    }
  }
  for (const [, name] of source.matchAll(/^export (?:interface|type) (\w+)/gm)) names.push(name!)
  return names.sort()
}

// What is public is a promise: a name goes in here, and in the changelog, with the commit that makes it public.

describe('openline exports', () => {
  test('these values', () => {
    expect(Object.keys(openline).sort()).toEqual([
      'CloseCode',
      'ConnectionClosedError',
      'EventLoop',
      'HandshakeError',
      'HandshakeRejectedError',
      'ProtocolError',
      'StateError',
      'WebSocketApp',
      'WebSocketError',
      'WebSocketTimeoutError',
      'broadcast',
      'connect',
      'decorrelatedBackoff',
      'enableTrace',
      'explainCloseCode',
      'exponentialBackoff',
      'fibonacciBackoff',
      'fixedBackoff',
      'getEventLoop',
      'isTransient',
      'prepare',
      'reconnect',
      'serve',
      'upgrade',
    ])
  })

  test('these types', () => {
    expect(typeExports('src/index.ts')).toEqual([
      'AcceptedMessages',
      'Address',
      'AppCallbacks',
      'AppErrorContext',
      'Attempt',
      'Backoff',
      'BackoffOptions',
      'BroadcastOptions',
      'CloseCause',
      'CloseFacts',
      'CloseFrame',
      'CloseInfo',
      'CloseLimit',
      'CloseOptions',
      'CompressionOptions',
      'ConnectOptions',
      'Connection',
      'ConnectionCloseFact',
      'ConnectionFact',
      'ConnectionHandler',
      'ConnectionOpenFact',
      'ConnectionOptions',
      'ConnectionState',
      'CookieJar',
      'Credentials',
      'DataContext',
      'DiagnosticsChannels',
      'DropReason',
      'Extension',
      'ExtensionDefinition',
      'ExtensionFrame',
      'ExtensionParameter',
      'FrameFact',
      'HandshakeErrorCode',
      'HandshakeErrorFact',
      'HandshakePhase',
      'HandshakeRequest',
      'HandshakeRequestFact',
      'HandshakeResponse',
      'HandshakeResponseFact',
      'HeaderSource',
      'IncomingHandshake',
      'Logger',
      'Message',
      'MessagePiece',
      'MessageSource',
      'MessageStreams',
      'OriginPolicy',
      'OriginRule',
      'OutboxOptions',
      'PerAttempt',
      'Piece',
      'PreparedMessage',
      'ProtocolErrorCode',
      'ProxyOptions',
      'ReceiveOptions',
      'ReconnectOptions',
      'ReconnectStatus',
      'ReconnectedContext',
      'Reconnection',
      'RetryOptions',
      'Role',
      'RunOptions',
      'RunResult',
      'SendOptions',
      'Sendable',
      'ServeOptions',
      'Server',
      'ServerHandler',
      'TcpOptions',
      'TraceOptions',
      'UpgradeListener',
      'UpgradeOptions',
      'WebSocketAppOptions',
    ])
  })
})

describe('openline/protocol exports', () => {
  test('these values', () => {
    expect(Object.keys(protocol).sort()).toEqual([
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

  test('these types', () => {
    expect(typeExports('src/protocol/index.ts')).toEqual([
      'AcceptedMessages',
      'CloseCause',
      'CloseFacts',
      'CloseFrame',
      'CloseInfo',
      'CloseLimit',
      'Compression',
      'DataOpcode',
      'DecompressionSink',
      'Extension',
      'ExtensionFrame',
      'Fragment',
      'Frame',
      'Kernel',
      'Limits',
      'MaskingKeySource',
      'Message',
      'MessagePiece',
      'Output',
      'Platform',
      'ProtocolErrorCode',
      'ProtocolHandler',
      'ProtocolOptions',
      'ProtocolState',
      'ProtocolTransition',
      'Role',
    ])
  })
})

describe('openline/testing exports', () => {
  test('these values', () => {
    expect(Object.keys(testing).sort()).toEqual(['FakeClock', 'connectedPair'])
  })

  test('these types', () => {
    expect(typeExports('src/testing/index.ts')).toEqual(['Clock', 'ConnectedPair', 'PairOptions'])
  })
})

test('the package leads to these entries and to nothing else', () => {
  const { exports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    exports: Record<string, unknown>
  }
  expect(Object.keys(exports)).toEqual(['.', './protocol', './testing', './package.json'])
})
