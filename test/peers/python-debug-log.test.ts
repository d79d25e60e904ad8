// The debug log of Python's websockets beside our trace of the same connection: one's ways out are the other's in.

import { afterAll, expect, test, vi } from 'vitest'
import { LineLog } from '../trace/support.ts'
import { describeWithPeers, PYTHON_NAMES, PYTHONS, type Python, pythonPeer } from './support/peers.ts'
import { endPrograms, Program } from './support/program.ts'
import { echo, startServer } from './support/server.ts'

// Children share the machine with whatever else runs.
vi.setConfig({ testTimeout: 60_000 })
afterAll(endPrograms)

for (const name of PYTHON_NAMES) {
  const peer = pythonPeer('websockets', name)
  await describeWithPeers(`the debug log of ${peer}`, [peer], () => compareWith(name))
}

function compareWith(name: Python): void {
  test('is what our trace says', async () => {
    const ours = new LineLog()
    const server = await startServer(echo, { trace: ours })
    const program = new Program(PYTHONS[name], ['test/peers/python/debug_log_peer.py', server.url])
    expect(await program.exit(), program.stderr).toEqual({ code: 0, signal: null })
    await vi.waitFor(() => expect(ours.lines).toContain('= connection is CLOSED'))
    const theirs = program.stdout.split('\n')
    expect(theirs.some((line) => line.startsWith('> CLOSE'))).toBe(true)
    expect(linesWith('<', ours.lines)).toEqual(linesWith('>', theirs))
    expect(linesWith('>', ours.lines)).toEqual(linesWith('<', theirs))
    expect(linesWith('=', ours.lines)).toEqual(linesWith('=', theirs))
  })
}

/** The lines of one sigil, without it. Who ends TCP is another matter. */
function linesWith(sigil: string, lines: readonly string[]): string[] {
  return lines
    .filter((line) => line.startsWith(`${sigil} `))
    .map((line) => line.slice(2).replace('…', '...'))
    .filter((line) => line !== 'EOF')
}
