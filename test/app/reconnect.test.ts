import { describe, expect, test } from 'vitest'
import { HandshakeRejectedError, reconnect } from '../../src/index.ts'
import { echo, start } from '../server/support.ts'

describe('reconnect()', () => {
  test('gives real connections, one after the other', async () => {
    const server = await start(echo)
    const answers: unknown[] = []
    for await (const connection of reconnect(server.url)) {
      await connection.send(`Hello ${answers.length}`)
      answers.push(await connection.receive())
      if (answers.length === 3) break
    }
    expect(answers).toEqual(['Hello 0', 'Hello 1', 'Hello 2'])
  })

  test('obeys Retry-After, fetches a new token for each attempt, and gives up on 401', async () => {
    const tokens: unknown[] = []
    const server = await start(echo, {
      onHandshake: ({ headers }) => {
        tokens.push(headers['x-token'])
        return tokens.length === 1
          ? new Response('later', { status: 503, headers: { 'Retry-After': '1' } })
          : new Response('no', { status: 401 })
      },
    })
    const began = performance.now()
    const connections = reconnect(server.url, {
      backoff: 0,
      headers: async ({ number }) => ({ 'X-Token': `token ${number}` }),
    })
    const error = await connections.next().catch((error: unknown) => error)
    expect(error).toBeInstanceOf(HandshakeRejectedError)
    expect((error as HandshakeRejectedError).status).toBe(401)
    expect(tokens).toEqual(['token 1', 'token 2'])
    expect(performance.now() - began).toBeGreaterThan(950)
  })
})
