// Write docs/errors.md from the tables of codes in src/errors.ts, with what to do about each code.
// usage: npx tsx scripts/build-error-docs.ts [--check]
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('..', import.meta.url))
const source = `${root}src/errors.ts`
const target = `${root}docs/errors.md`

/** For each code: what to do. Kept here, so that a new code cannot land without its advice. */
const ADVICE: Readonly<Record<string, string>> = {
  // The opening handshake
  WS_BAD_METHOD: 'Answered with 405. Send a GET.',
  WS_BAD_HTTP_VERSION: 'Answered with 505. Look for a proxy that speaks HTTP/1.0 to the server.',
  WS_MISSING_HEADER: 'Answered with 400. A proxy that drops headers is the usual cause.',
  WS_DUPLICATE_HEADER: 'Answered with 400. Set the header once.',
  WS_BAD_HEADER: 'Look at the header that the message names.',
  WS_BAD_UPGRADE:
    'Servers answer with 426. On clients: the peer is no WebSocket server, or a proxy does not pass `Upgrade` on.',
  WS_BAD_CONNECTION:
    'A proxy must be told to pass `Connection: Upgrade` on, since it is a header of one hop. Without it a server sees an ordinary request: `onRequest` answers, or 426.',
  WS_BAD_KEY: 'Answered with 400. The client is broken.',
  WS_BAD_VERSION:
    'Answered with 426 and `Sec-WebSocket-Version: 13`. The client is older than RFC 6455, or broken.',
  WS_BAD_ACCEPT: 'Check address and port; look for a cache in between.',
  WS_BAD_SUBPROTOCOL:
    'Servers answer a malformed list with 400. On clients: the server chose what was not offered; offer it, or correct the server.',
  WS_BAD_EXTENSION:
    'Servers answer a malformed list with 400. On clients: the server uses an extension that was not offered; correct the server.',
  WS_BODY_NOT_ALLOWED:
    'Answered with 400 or 413. Send no body: what one program reads as a body another reads as frames.',
  WS_TOO_MANY_HEADERS:
    'Servers answer with 431. Send less; large cookies are the usual cause. On clients: the server sends more than 100 header lines.',
  WS_ORIGIN_REFUSED: 'Answered with 403. If the page is yours, add its origin to the option `origins`.',
  WS_HOST_REFUSED: 'Answered with 403. If the name is yours, add it to the option `hosts`.',
  WS_CONNECT_FAILED:
    "Read the message; the system's error is the `cause`. Try again later, unless the certificate is not trusted.",
  WS_FAILED_IN_BROWSER:
    'Only in browsers, which hide status and cause from programs: look at their network panel and console. Try again later.',
  WS_PROXY_FAILED:
    "`status` is the proxy's, 0 when it gave none. 407: give it a user and password, in its URL or by `proxy: { username, password }`. `proxy: false` connects without one.",
  WS_BAD_REDIRECT: 'Connect to the right address at once. What the server answered is the `cause`.',
  WS_HANDSHAKE_INTERRUPTED: 'Try again later. If it happens each time: wrong port, or TLS on one end only.',
  WS_SERVER_CLOSING: 'Answered with 503 and `Retry-After`. Try again later.',
  WS_HANDLER_FAILED: 'Answered with 500. The reason is in the log of the server.',
  WS_HANDLER_TIMEOUT:
    'Answered with 503. Make `onHandshake` quicker, or give it more time with `openTimeout`.',
  WS_REJECTED: 'Look at `status`, `headers` and `body`: it is what the server wants you to know.',

  // The protocol
  WS_RESERVED_BITS: 'The peer uses an extension that was not agreed, or sends no WebSocket frames at all.',
  WS_RESERVED_OPCODE: 'The peer is broken, or out of step.',
  WS_MASK_REQUIRED: 'The client is broken.',
  WS_MASK_FORBIDDEN: 'The server is broken, or two clients talk to each other.',
  WS_CONTROL_FRAGMENTED: 'The peer is broken.',
  WS_CONTROL_TOO_LONG: 'The peer is broken, or somebody put more than 125 bytes into a ping.',
  WS_LENGTH_NOT_MINIMAL: 'The peer is broken.',
  WS_LENGTH_OUT_OF_RANGE: 'The peer is broken, or hostile.',
  WS_UNEXPECTED_CONTINUATION: 'The peer is broken.',
  WS_EXPECTED_CONTINUATION: 'The peer mixes two messages: it sends from two places without a lock.',
  WS_BAD_CLOSE_PAYLOAD: 'The peer is broken.',
  WS_BAD_CLOSE_CODE: 'The peer closes with a code that must not be sent, such as 1005 or 1006.',
  WS_DATA_NOT_ACCEPTED: 'The option `accept` refuses text or binary: allow it, or correct the peer.',
  WS_BAD_UTF8: 'The peer sends bytes as text: have it send them as binary.',
  WS_BAD_COMPRESSION: 'The peer is broken, or hostile: it marks as compressed what is not.',
  WS_EXTENSION_FAILED: 'An extension of your own threw while it decoded. Look at the `cause`.',
  WS_MESSAGE_TOO_BIG:
    'Send smaller messages, or raise `maxMessageSize` if you can afford it; `receiveStream()` takes messages in pieces, up to `maxStreamSize`.',
  WS_TOO_MANY_FRAGMENTS: 'Send larger fragments, or raise `maxFragments`.',
  WS_SLOW_CONSUMER:
    'The peer does not read, and the program sends without awaiting `send()`. Await it, or send less to slow peers; see `maxBufferedAmount`.',
  WS_INBOX_OVERFLOW:
    'Only in browsers, which cannot have a peer wait. Receive faster, have the peer send less, or raise `maxBufferedAmount`.',
  WS_MESSAGE_TIMEOUT:
    'The peer is slow or stuck in the middle of a message. Raise `messageTimeout` for slow lines.',

  // The connection
  WS_CLOSED: 'Look at `info`: its `code`, and its `diagnosis` in words. Connect again if you need to.',

  // Timeouts, by phase
  open: 'Try again later, or raise `openTimeout`.',
  close: 'The peer did not answer. Nothing to do: the line was dropped. It shows as `info.error`.',
  ping: 'The line is dead. Connect again. It shows as `info.error`.',
  receive: 'Wait again: no message was lost.',

  // Mistakes of the program
  WS_CONCURRENT_RECEIVE: 'Let one place receive, and pass messages on from there.',
  WS_RECEIVE_WITH_HANDLER: 'Use either a handler object, or `receive()` and loops.',
  WS_DUPLICATE_PING: 'Leave the payload out, and each ping gets its own.',
  WS_CONCURRENT_NEXT:
    'Loop over the connections of one `reconnect()` in one place; call it again for another.',
  WS_LOOP_RUNNING: 'Run one thing at a time on the loop.',
  WS_LOOP_CLOSED: 'Call `getEventLoop()` again: it makes another.',
  WS_LOOP_STOPPED:
    'Somebody called `stop()` or pressed Ctrl-C before the work was done. Usually an ordinary end.',
  WS_APP_RUNNING: 'Await the first run before the next, or make another app.',
  WS_APP_NOT_OPEN: 'Send during a run; leave the outbox on to send while there is no connection.',
  WS_OUTBOX_FULL:
    'Wait until `app.isReady`, raise `maxMessages` or `maxBytes` of `outbox`, or choose the overflow `drop-oldest`.',
  WS_OUTBOX_CLOSED: 'Send it in the next run, if it still matters; `onDrop` is told of each.',
  WS_NOT_IN_BROWSER:
    'The message says what to do instead; see [Browsers](guide/browser.md). Code that runs in both places asks first, or leaves the option out.',
  WS_NO_WEBSOCKET:
    'Your bundler or test runner chose the export condition `browser` for a program that runs elsewhere: set its target to Node.',
  WS_PACKAGE_MISSING: 'Install it: the message has the command.',
}

type Table = Readonly<Record<string, unknown>>

/** Read the tables out of the source; a table is a constant that is an object literal `as const`. */
function readTables(): Map<string, Table> {
  const file = ts.createSourceFile(source, readFileSync(source, 'utf8'), ts.ScriptTarget.Latest)
  const tables = new Map<string, Table>()
  for (const statement of file.statements) {
    if (!ts.isVariableStatement(statement)) continue
    for (const { name, initializer } of statement.declarationList.declarations) {
      if (initializer === undefined || !ts.isAsExpression(initializer)) continue
      if (!ts.isIdentifier(name) || !ts.isObjectLiteralExpression(initializer.expression)) continue
      tables.set(name.text, readValue(initializer.expression) as Table)
    }
  }
  return tables
}

function readValue(node: ts.Expression): unknown {
  if (ts.isStringLiteralLike(node)) return node.text
  if (ts.isNumericLiteral(node)) return Number(node.text)
  if (ts.isArrayLiteralExpression(node)) return node.elements.map(readValue)
  if (ts.isObjectLiteralExpression(node)) {
    return Object.fromEntries(
      node.properties.map((property) => {
        if (!ts.isPropertyAssignment(property) || !ts.isIdentifier(property.name)) {
          throw new Error('a table of src/errors.ts holds something else than names and values')
        }
        return [property.name.text, readValue(property.initializer)]
      }),
    )
  }
  throw new Error('a table of src/errors.ts holds something else than text, numbers and lists')
}

/** Make the text of docs/errors.md. Throw an error for a code without advice, and for advice without a code. */
export function buildErrorDocs(): string {
  const tables = readTables()
  const unused = new Set(Object.keys(ADVICE))

  const take = (name: string): [string, unknown][] => {
    const table = tables.get(name)
    if (table === undefined) throw new Error(`src/errors.ts has no table ${name}`)
    tables.delete(name)
    return Object.entries(table)
  }
  const advise = (code: string): string => {
    const advice = ADVICE[code]
    if (advice === undefined) throw new Error(`scripts/build-error-docs.ts has no advice about ${code}`)
    unused.delete(code)
    return advice
  }
  const row = (...cells: (string | number)[]): string =>
    `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`
  const words = (message: unknown): string => String(message).replaceAll('{}', '…')

  const page = [
    '<!-- Made by `npx tsx scripts/build-error-docs.ts` from src/errors.ts. Do not edit. -->',
    '',
    '# Errors',
    '',
    'Every error that openline makes is a `WebSocketError` with a `code`. Codes are stable; messages may get better.',
    'In messages, … stands for the value in question.',
    '',
    'Wrong options and arguments are the exception: they throw a `TypeError` or `RangeError` that names the option.',
    "An aborted call rejects with its signal's reason. A server that cannot listen rejects with the system's error,",
    'such as `EADDRINUSE`.',
    '',
    '## HandshakeError',
    '',
    'The opening handshake failed. `status` is the HTTP status with which a server answered. On clients it is that of',
    'the proxy or of the redirect that was in the way, and 0 for all other faults; `phase` tells how far they had come:',
    '`dns`, `connect`, `proxy`, `tls` or `handshake`.',
    '',
    '| code | message | what to do |',
    '|---|---|---|',
    ...take('HANDSHAKE_MESSAGES').map(([code, message]) => row(`\`${code}\``, words(message), advise(code))),
    '',
    '## HandshakeRejectedError',
    '',
    'The server answered the opening handshake with another status than 101. It has `status`, `statusText`,',
    '`headers` and `body` (the first 64 KiB).',
    '',
    '| code | message | what to do |',
    '|---|---|---|',
    row('`WS_REJECTED`', 'the server refused the handshake with …', advise('WS_REJECTED')),
    '',
    '## ProtocolError',
    '',
    'The peer broke the protocol or met a limit. It never throws: the connection is closed with the close code below,',
    'and the error is `info.error` of `connection.closed`.',
    '',
    '| code | close code | message | what to do |',
    '|---|---|---|---|',
    ...take('PROTOCOL_VIOLATIONS').map(([code, entry]) => {
      const [closeCode, message] = entry as [number, string]
      return row(`\`${code}\``, closeCode, words(message), advise(code))
    }),
    '',
    '## ConnectionClosedError',
    '',
    'There is no connection any more, or it is closing. `info` tells how it ended; it is `undefined` while the closing',
    'handshake is under way. See [Closing](topics/closing.md).',
    '',
    '| code | message | what to do |',
    '|---|---|---|',
    row('`WS_CLOSED`', 'the connection is closed with …', advise('WS_CLOSED')),
    '',
    '## WebSocketTimeoutError',
    '',
    'Something took longer than it may. The code is always `WS_TIMEOUT`; `phase` tells what it was, and `timeout` how',
    'long it might have taken. While a client connects, `during` tells which step it waited for: `dns`, `connect`,',
    '`proxy`, `tls` or `handshake`.',
    '',
    '| phase | message | what to do |',
    '|---|---|---|',
    ...take('TIMEOUT_MESSAGES').map(([phase, message]) => row(`\`${phase}\``, words(message), advise(phase))),
    '',
    '## StateError',
    '',
    'A method was called in a state in which it cannot work: a mistake of the program, not of the peer.',
    '',
    '| code | message | what to do |',
    '|---|---|---|',
    ...take('STATE_MESSAGES').map(([code, message]) => row(`\`${code}\``, words(message), advise(code))),
    '',
  ]
  if (tables.size > 0) throw new Error(`this page does not show ${[...tables.keys()].join(', ')}`)
  if (unused.size > 0) throw new Error(`there is advice about ${[...unused].join(', ')}, which no table has`)
  return page.join('\n')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = buildErrorDocs()
  if (!process.argv.includes('--check')) {
    writeFileSync(target, text)
    console.log('wrote docs/errors.md')
  } else if (readFileSync(target, 'utf8') !== text) {
    console.error('docs/errors.md is stale: run npx tsx scripts/build-error-docs.ts')
    process.exitCode = 1
  }
}
