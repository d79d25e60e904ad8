// The closing handshake as a Mermaid diagram, drawn from the table that the protocol runs on.

import { type ProtocolTransition, transitions } from '../../../src/protocol/transitions.ts'

const LABELS: Readonly<Record<ProtocolTransition, string>> = {
  'send-close': 'our close frame',
  'receive-close': "the peer's close frame",
  fail: 'failure',
}

/** Draw the table as the text of a state diagram. */
export function drawStateDiagram(): string {
  const lines = ['stateDiagram-v2', '    [*] --> open']
  const states = Object.entries(transitions)
  // Mermaid's identifiers have no hyphens.
  const id = (state: string): string => state.replaceAll('-', '_')
  for (const [state] of states) {
    if (id(state) !== state) lines.push(`    ${id(state)}: ${state}`)
  }
  for (const [state, row] of states) {
    const next = Object.entries(row).filter(([, target]) => target !== undefined)
    for (const [event, target] of next) {
      lines.push(`    ${id(state)} --> ${id(target!)}: ${LABELS[event as ProtocolTransition]}`)
    }
    if (next.length === 0) lines.push(`    ${id(state)} --> [*]`)
  }
  return `${lines.join('\n')}\n`
}
