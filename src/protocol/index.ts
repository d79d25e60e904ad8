// The entry of openline/protocol: frames and the protocol machine, without any I/O, for browsers too.

export { ProtocolError, type ProtocolErrorCode, WebSocketError } from '../errors.ts'
export {
  type CloseCause,
  CloseCode,
  type CloseFacts,
  type CloseFrame,
  type CloseInfo,
  type CloseLimit,
  explainCloseCode,
  isOrdinaryClose,
  isValidCloseCode,
} from './close-code.ts'
export type { Compression, DecompressionSink } from './compression.ts'
export { type Extension, type ExtensionFrame, type MessagePiece, ReservedBit } from './extension.ts'
export { describeFrame, type Frame } from './frame.ts'
export { createJavaScriptKernel, type Kernel } from './kernel.ts'
export { CLIENT_MAX_MESSAGE_SIZE, type Limits, MAX_FRAGMENTS, SERVER_MAX_MESSAGE_SIZE } from './limits.ts'
export { applyMask, createMaskingKeySource, type MaskingKeySource } from './masking.ts'
export type { Message } from './message.ts'
export type { AcceptedMessages } from './message-assembler.ts'
export type { DataOpcode, Fragment } from './message-encoder.ts'
export { isControl, Opcode } from './opcode.ts'
export { ByteOutput, type Output } from './output.ts'
export { type Platform, portablePlatform } from './platform.ts'
export { PreparedMessage } from './prepared-message.ts'
export { Protocol, type ProtocolHandler, type ProtocolOptions, type Role } from './protocol.ts'
export { type ProtocolState, type ProtocolTransition, transitions } from './transitions.ts'
