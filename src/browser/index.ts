// The entry of openline in browsers (export condition `browser`). It has the names of src/index.ts, whose types are those
// of both, and nothing that it reaches may import from Node.

// Errors
export {
  ConnectionClosedError,
  HandshakeError,
  HandshakeRejectedError,
  ProtocolError,
  StateError,
  WebSocketError,
  WebSocketTimeoutError,
} from '../errors.ts'
export { CloseCode, explainCloseCode } from '../protocol/close-code.ts'
// Clients that stay
export { isTransient } from '../reconnect/transient.ts'
export {
  decorrelatedBackoff,
  exponentialBackoff,
  fibonacciBackoff,
  fixedBackoff,
} from '../timing/backoff.ts'
// Clients
export { broadcast, prepare } from './broadcast.ts'
export { connect } from './connect.ts'
export { reconnect } from './reconnect.ts'
// What a browser cannot do
export { EventLoop, enableTrace, getEventLoop, serve, upgrade } from './server-side.ts'
export { WebSocketApp } from './websocket-app.ts'
