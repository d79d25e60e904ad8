// The runner over TCP, tried on another library: `ws` passes what is picked here, as a server and as a client.

import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { groupOf } from '../../conformance/case.ts'
import { allCases } from '../../conformance/cases/all.ts'
import { testClient, testServer } from '../../conformance/over-tcp.ts'
import { type CaseResult, describe as describeResult } from '../../conformance/results.ts'

const picked = allCases.filter(
  ({ id }) =>
    ['2', '4', '11'].includes(groupOf(id)) || /^(1\.[12]\.[1-9]|5\.2\.4|7\.1\.\d|7\.8\.1)$/.test(id),
)
const early = allCases.filter(({ id }) => id === '6.4.1' || id === '6.4.3')

function echo(socket: WebSocket): void {
  socket.on('error', () => {})
  socket.on('message', (data: Buffer, binary: boolean) => socket.send(data, { binary }))
}

async function withServer(
  attach: (socket: WebSocket) => void,
  use: (url: string) => Promise<CaseResult[]>,
): Promise<CaseResult[]> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
  server.on('connection', attach)
  await new Promise((resolve) => server.once('listening', resolve))
  try {
    return await use(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  } finally {
    server.close()
  }
}

function wrong(results: readonly CaseResult[]): string {
  return results
    .filter(({ verdict }) => verdict !== 'ok')
    .map(describeResult)
    .join('\n')
}

describe('server', () => {
  test('passes', async () => {
    const results = await withServer(echo, (url) => testServer(url, picked))
    expect(wrong(results)).toBe('')
    expect(results).toHaveLength(picked.length)
  })

  test('that fails for bad text at the end of the message is told apart', async () => {
    const results = await withServer(echo, (url) => testServer(url, early, { failureWindow: 50 }))
    expect(results.map(({ id, verdict }) => [id, verdict])).toEqual([
      ['6.4.1', 'allowed'],
      ['6.4.3', 'allowed'],
    ])
    expect(wrong(results)).toContain('failed later than possible')
  })

  test('that never echoes is caught in bounded time', async () => {
    const cases = allCases.filter(({ id }) => id === '1.1.2')
    const results = await withServer(
      () => {},
      (url) => testServer(url, cases, { patience: 50 }),
    )
    expect(wrong(results)).toContain('missing text 21')
  })

  test('that is not there is caught', async () => {
    const cases = allCases.filter(({ id }) => id === '2.1')
    const url = await new Promise<string>((resolve) => {
      const gone = new WebSocketServer({ port: 0, host: '127.0.0.1' }, () => {
        const { port } = gone.address() as AddressInfo
        gone.close(() => resolve(`ws://127.0.0.1:${port}/`))
      })
    })
    expect(wrong(await testServer(url, cases))).toContain('no connection: connect ECONNREFUSED')
  })
})

describe('client', () => {
  test('passes', async () => {
    const cases = picked.filter(({ roles }) => roles.includes('client'))
    const results = await testClient(cases, {
      connectClient: (url) => echo(new WebSocket(url, { perMessageDeflate: false })),
    })
    expect(wrong(results)).toBe('')
    expect(results).toHaveLength(cases.length)
  })

  test('that never comes is caught in bounded time', async () => {
    const cases = allCases.filter(({ id }) => id === '2.1')
    const results = await testClient(cases, { connectClient: () => {}, patience: 50 })
    expect(wrong(results)).toContain('no client connected within 50 ms')
  })
})
