// What docs/topics/observability.md says of lines and channels.

import { expect, test } from 'vitest'
import { connect } from '../../src/index.ts'
import type { DiagnosticsChannels } from '../../src/trace/channels.ts'
import { echo, start } from '../server/support.ts'
import { LineLog, listen } from '../trace/support.ts'
import { readPage } from './support/pages.ts'

const page = readPage('docs/topics/observability.md')

/** Replace what differs from one run to the next. */
function settled(line: string): string {
  return line.replace(/(Sec-WebSocket-(?:Key|Accept)): .*/, '$1: …').replace(/:\d{4,5}\b/, ':8765')
}

test('its trace is what is printed', async () => {
  const [, shown = ''] = /```text\n(= connection is CONNECTING\n[\s\S]*?)```/.exec(page) ?? []
  const log = new LineLog()
  const server = await start(echo)
  const connection = await connect(`ws://127.0.0.1:${server.port}/chat?access_token=abc`, { trace: log })
  await connection.send('hello')
  await connection.receive()
  await connection.close(1000, 'bye')
  await new Promise((resolve) => setImmediate(resolve))
  expect(log.lines.map(settled)).toEqual(shown.trimEnd().split('\n').map(settled))
})

test('its channels are those that exist', () => {
  const named = [
    ...page.matchAll(/^\| `(openline:[\w:]+)` \| .*?`(\w+Fact)`|^\| `(openline:frame:received)` /gm),
  ]
  const names = named.map(([, name, , other]) => name ?? other)
  const facts = {
    'openline:handshake:request': [],
    'openline:handshake:response': [],
    'openline:handshake:error': [],
    'openline:connection:open': [],
    'openline:connection:close': [],
    'openline:frame:sent': [],
    'openline:frame:received': [],
  } satisfies Record<keyof DiagnosticsChannels, unknown>
  expect(names).toEqual(Object.keys(facts))
  expect(listen(...(Object.keys(facts) as (keyof DiagnosticsChannels)[]))).toEqual([])
})
