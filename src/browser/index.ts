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
// Connections
export { CloseCode, explainCloseCode } from '../protocol/close-code.ts'
export { broadcast, prepare } from './broadcast.ts'
// Clients
export { connect } from './connect.ts'
// What a browser cannot do
export { EventLoop, getEventLoop, serve, upgrade } from './server-side.ts'
