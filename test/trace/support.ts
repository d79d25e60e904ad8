// Traces that are kept instead of printed, and subscribers of channels for one test each.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { onTestFinished } from 'vitest'
import type { DiagnosticsChannels } from '../../src/trace/channels.ts'

/** Keep the lines of a trace. */
export class LineLog {
  readonly lines: string[] = []
  readonly sink = (line: string): void => {
    this.lines.push(line)
  }

  /** The lines since the last call. */
  take(): string[] {
    return this.lines.splice(0)
  }
}

/** Subscribe to channels until the test is over, and keep what is published. */
export function listen<Name extends keyof DiagnosticsChannels>(
  ...names: readonly Name[]
): { readonly name: Name; readonly fact: DiagnosticsChannels[Name] }[] {
  const facts: { name: Name; fact: DiagnosticsChannels[Name] }[] = []
  for (const name of names) {
    const keep = (fact: unknown): void => {
      facts.push({ name, fact: fact as DiagnosticsChannels[Name] })
    }
    subscribe(name, keep)
    onTestFinished(() => {
      unsubscribe(name, keep)
    })
  }
  return facts
}
