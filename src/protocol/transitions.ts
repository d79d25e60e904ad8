// The closing handshake as data (RFC 6455 sections 5.5.1 and 7.1). Everything that changes the state of a
// connection stands in this table, and it does not know which role we play.

/** Name the states of a connection after its opening handshake. */
export type ProtocolState =
  /** Data goes both ways. */
  | 'open'
  /** Our close frame is out; theirs is awaited. */
  | 'close-sent'
  /** Their close frame came; ours is owed. */
  | 'close-received'
  /** Close frames went both ways: only the TCP connection is left to end. */
  | 'closed'
  /** The connection was failed (RFC 6455 section 7.1.7): whatever still comes is ignored. */
  | 'failed'

/** Name what changes the state. */
export type ProtocolTransition = 'send-close' | 'receive-close' | 'fail'

type Row = Readonly<Record<ProtocolTransition, ProtocolState | undefined>>

/** For each state, where each event leads; `undefined` where it cannot happen. */
export const transitions: Readonly<Record<ProtocolState, Row>> = {
  open: { 'send-close': 'close-sent', 'receive-close': 'close-received', fail: 'failed' },
  'close-sent': { 'send-close': undefined, 'receive-close': 'closed', fail: 'failed' },
  'close-received': { 'send-close': 'closed', 'receive-close': undefined, fail: 'failed' },
  closed: { 'send-close': undefined, 'receive-close': undefined, fail: undefined },
  failed: { 'send-close': undefined, 'receive-close': undefined, fail: undefined },
}
