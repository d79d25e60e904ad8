import { connect as tcpConnect } from 'node:net'
import { type Duplex, duplexPair } from 'node:stream'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Opening } from '../../src/client/opening.ts'
import { startTls } from '../../src/client/start-tls.ts'
import { rejection } from '../server/support.ts'
import { CLIENT_TLS, SERVER_TLS } from '../support/tls-fixture.ts'
import { fakeServer } from './fake-server.ts'

function start(stream: Duplex, hostname: string, options: ConnectionOptions): Promise<TLSSocket> {
  const opening = new Opening(2000, undefined)
  onTestFinished(() => opening.fail(new Error('the test is over')))
  return startTls(opening, opening.own(stream), hostname, options)
}

/** Connect to a server with TLS, which tells what it was asked for. */
async function tcp(onServerName?: (name: string) => void): Promise<Duplex> {
  const server = await fakeServer(() => {}, {
    ...SERVER_TLS,
    SNICallback: (name, done) => {
      onServerName?.(name)
      done(null)
    },
  })
  return tcpConnect(server.port, '127.0.0.1')
}

describe('startTls', () => {
  test('speaks TLS, and checks the certificate for the name', async () => {
    const names: string[] = []
    const socket = await start(await tcp((name) => names.push(name)), 'localhost', CLIENT_TLS)
    expect(socket.authorized).toBe(true)
    expect(names).toEqual(['localhost'])
    expect(socket.alpnProtocol).toBe(false)
    expect(socket.listenerCount('secureConnect')).toBe(0)
  })

  test('asks for no name when it is an address, and checks that', async () => {
    const names: string[] = []
    const socket = await start(await tcp((name) => names.push(name)), '127.0.0.1', CLIENT_TLS)
    expect(socket.authorized).toBe(true)
    expect(names).toEqual([])
    expect(await rejection(start(await tcp(), '127.0.0.2', CLIENT_TLS))).toMatchObject({
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    })
  })

  test('asks for the name that it is told, and checks that', async () => {
    const names: string[] = []
    const stream = await tcp((name) => names.push(name))
    await start(stream, 'a.example', { ...CLIENT_TLS, servername: 'localhost' })
    expect(names).toEqual(['localhost'])
    expect(await rejection(start(await tcp(), 'a.example', CLIENT_TLS))).toMatchObject({
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    })
  })

  test('asks for a name without the dot at its end (RFC 6066 section 3)', async () => {
    const names: string[] = []
    const socket = await start(await tcp((name) => names.push(name)), 'localhost.', CLIENT_TLS)
    expect(socket.authorized).toBe(true)
    expect(names).toEqual(['localhost'])
  })

  test('takes options that are undefined as not given', async () => {
    const names: string[] = []
    const stream = await tcp((name) => names.push(name))
    const unset: Record<string, undefined> = { servername: undefined, checkServerIdentity: undefined }
    const socket = await start(stream, 'localhost', { ...CLIENT_TLS, ...unset } as ConnectionOptions)
    expect(socket.authorized).toBe(true)
    expect(names).toEqual(['localhost'])
  })

  test('does not trust whom it does not know', async () => {
    expect(await rejection(start(await tcp(), 'localhost', {}))).toMatchObject({
      code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    })
  })

  test('rejects for options that are none', async () => {
    const error = await rejection(start(await tcp(), 'localhost', { ca: 'x', cert: 'no PEM', key: 'no PEM' }))
    expect(error).toBeInstanceOf(Error)
  })

  test('rejects when the stream ends', async () => {
    const server = await fakeServer(() => {})
    const stream = tcpConnect(server.port, '127.0.0.1')
    const starting = rejection(start(stream, 'localhost', CLIENT_TLS))
    stream.once('connect', () => stream.destroy())
    expect(await starting).toMatchObject({ code: 'ECONNRESET' })
  })

  test('rejects when a stream ends that is no socket', async () => {
    const [stream, other] = duplexPair()
    other.resume()
    const starting = rejection(start(stream, 'localhost', CLIENT_TLS))
    setImmediate(() => stream.destroy())
    expect(await starting).toMatchObject({ code: 'ECONNRESET' })
  })
})
