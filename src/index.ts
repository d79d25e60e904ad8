// The entry of openline: everything that most programs need.

export { reconnect } from './app/reconnect.ts'
export { WebSocketApp } from './app/websocket-app.ts'
// Clients
export { connect } from './client/connect.ts'
export type { CookieJar } from './client/cookies.ts'
export type { Credentials } from './client/credentials.ts'
export type { HeaderSource } from './client/headers.ts'
export type { ConnectOptions } from './client/options.ts'
export type { ProxyOptions } from './client/proxy-options.ts'
export type { TcpOptions } from './client/tcp-options.ts'
// Connections
export { type BroadcastOptions, broadcast, prepare } from './connection/broadcast.ts'
export type { Connection, HandshakeRequest, HandshakeResponse } from './connection/connection.ts'
export type { ExtensionDefinition } from './connection/extensions.ts'
export type { ConnectionHandler } from './connection/handler.ts'
export type { ReceiveOptions } from './connection/inbox.ts'
export type { LinkState as ConnectionState } from './connection/link.ts'
export type { MessageStreams } from './connection/message-streams.ts'
export type { ConnectionOptions, Logger } from './connection/options.ts'
export type { MessageSource, Piece, Sendable, SendOptions } from './connection/sendable.ts'
export type { TraceOptions } from './connection/trace-options.ts'
export type { CompressionOptions } from './deflate/options.ts'
// Errors
export {
  ConnectionClosedError,
  HandshakeError,
  type HandshakeErrorCode,
  type HandshakePhase,
  HandshakeRejectedError,
  ProtocolError,
  type ProtocolErrorCode,
  StateError,
  WebSocketError,
  WebSocketTimeoutError,
} from './errors.ts'
// Programs
export { EventLoop, getEventLoop } from './event-loop/event-loop.ts'
export type { ExtensionParameter } from './handshake/extension-header.ts'
export type { OriginPolicy, OriginRule } from './handshake/origin.ts'
export {
  type CloseCause,
  CloseCode,
  type CloseFacts,
  type CloseFrame,
  type CloseInfo,
  type CloseLimit,
  explainCloseCode,
} from './protocol/close-code.ts'
export type { Extension, ExtensionFrame, MessagePiece } from './protocol/extension.ts'
export type { Message } from './protocol/message.ts'
export type { AcceptedMessages } from './protocol/message-assembler.ts'
export type { PreparedMessage } from './protocol/prepared-message.ts'
export type { Role } from './protocol/protocol.ts'
// Clients that stay
export type {
  AppCallbacks,
  AppErrorContext,
  DataContext,
  ReconnectedContext,
} from './reconnect/app-callbacks.ts'
export type { Attempt, PerAttempt } from './reconnect/attempt.ts'
export type { RunOptions, RunResult, WebSocketAppOptions } from './reconnect/base-app.ts'
export type { ReconnectOptions } from './reconnect/make-reconnection.ts'
export type { RetryOptions } from './reconnect/options.ts'
export type { DropReason, OutboxOptions } from './reconnect/outbox.ts'
export type { Reconnection } from './reconnect/reconnection.ts'
export type { ReconnectStatus } from './reconnect/status.ts'
export { isTransient } from './reconnect/transient.ts'
// Servers
export type { CloseOptions } from './server/close-options.ts'
export type { IncomingHandshake, ServeOptions, ServerHandler, UpgradeOptions } from './server/options.ts'
export { serve } from './server/serve.ts'
export type { Server } from './server/server.ts'
export { type UpgradeListener, upgrade } from './server/upgrade.ts'
export {
  type Backoff,
  type BackoffOptions,
  decorrelatedBackoff,
  exponentialBackoff,
  fibonacciBackoff,
  fixedBackoff,
} from './timing/backoff.ts'
// Observability
export type {
  ConnectionCloseFact,
  ConnectionFact,
  ConnectionOpenFact,
  DiagnosticsChannels,
  FrameFact,
  HandshakeErrorFact,
  HandshakeRequestFact,
  HandshakeResponseFact,
} from './trace/channels.ts'
export { enableTrace } from './trace/enable-trace.ts'
export type { Address } from './transport/transport.ts'
