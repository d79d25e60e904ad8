// Sec-WebSocket-Accept as Node computes it. The portable version in handshake/key.ts is as fast once it is optimised,
// but the first thousands of handshakes come before that.

import * as crypto from 'node:crypto'
import { GUID } from '../handshake/key.ts'

/** Node 20.12 and later have a one-shot function. */
const { hash } = crypto as { hash?: (algorithm: string, data: string, encoding: 'base64') => string }

/** Compute the Sec-WebSocket-Accept value for a key (RFC 6455 section 4.2.2). */
export const acceptValue: (key: string) => string =
  hash === undefined
    ? (key) => crypto.createHash('sha1').update(key).update(GUID).digest('base64')
    : (key) => hash('sha1', key + GUID, 'base64')
