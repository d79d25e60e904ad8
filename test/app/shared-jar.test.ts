import { expect, test, vi } from 'vitest'
import { withSharedJar } from '../../src/app/shared-jar.ts'
import type { CookieJar } from '../../src/client/cookies.ts'
import { reconnect, WebSocketApp } from '../../src/index.ts'
import type { Connect } from '../../src/reconnect/attempt.ts'
import { start } from '../server/support.ts'

test('makes one jar, when it is first needed', async () => {
  const connect = vi.fn(async () => undefined)
  const jar: CookieJar = { getCookieString: () => '', setCookie() {} }
  const makeJar = vi.fn(async () => jar)
  const shared = withSharedJar(connect as unknown as Connect, makeJar)
  await shared('ws://x/', { cookies: 'a=b' })
  await shared('ws://x/', {})
  expect(makeJar).not.toHaveBeenCalled()
  await shared('ws://x/', { cookies: true })
  await shared('ws://y/', { cookies: true, origin: 'http://x' })
  expect(makeJar).toHaveBeenCalledTimes(1)
  expect(connect.mock.calls).toEqual([
    ['ws://x/', { cookies: 'a=b' }],
    ['ws://x/', {}],
    ['ws://x/', { cookies: jar }],
    ['ws://y/', { cookies: jar, origin: 'http://x' }],
  ])
})

test('cookies of the first connection go with the next, and with no other client', async () => {
  const seen: (string | undefined)[] = []
  const server = await start(
    async ({ request }) => {
      seen.push(request.headers.cookie)
    },
    { headers: { 'Set-Cookie': 'session=1' } },
  )
  let connections = 0
  for await (const connection of reconnect(server.url, { cookies: true })) {
    await connection.closed
    if (++connections === 2) break
  }
  const app = new WebSocketApp(server.url, { cookies: true })
  await app.runForever()
  await app.runForever()
  expect(seen).toEqual([undefined, 'session=1', undefined, 'session=1'])
})
