// Tries internals of Node's sockets out on a loopback connection of our own, before any user's bytes depend on them.

import { createConnection, createServer, type Socket } from 'node:net'

const TRIAL_TIMEOUT = 1000

/**
 * Connect two sockets, begin a trial on them, and resolve when one of them is closed. `begin` returns false when
 * there is nothing to wait for. Never rejects and waits at most a second; what came out is the caller's to judge.
 */
export function runLoopbackTrial(begin: (accepted: Socket, dialled: Socket) => boolean): Promise<void> {
  return new Promise((resolve) => {
    let accepted: Socket | undefined
    let dialled: Socket | undefined
    const server = createServer((socket) => {
      accepted = socket
      socket.on('error', finish)
      socket.on('close', finish)
      attempt(() => {
        if (dialled === undefined || !begin(socket, dialled)) finish()
      })
    })
    const timer = setTimeout(finish, TRIAL_TIMEOUT)
    server.on('error', finish)
    attempt(() => {
      server.listen(0, '127.0.0.1', () => {
        const address = server.address()
        if (address === null || typeof address === 'string') return
        dialled = createConnection(address.port, '127.0.0.1')
        dialled.on('error', finish)
        dialled.on('close', finish)
      })
    })
    /** What a runtime refuses by throwing ends the trial, and not the process. */
    function attempt(step: () => void): void {
      try {
        step()
      } catch {
        finish()
      }
    }
    function finish(): void {
      clearTimeout(timer)
      accepted?.destroy()
      dialled?.destroy()
      server.close()
      resolve()
    }
  })
}
