// What came of a run of the table: per case and role one verdict, with what was found where it is not `ok`.

import { type Case, groupOf, type Role, type Variant } from './case.ts'
import { GROUPS } from './cases/all.ts'
import { hex, type Judgement, type Verdict } from './judge.ts'

/** One conversation that did not go as required. */
export interface Finding {
  readonly variant: string
  readonly chunking: string
  readonly judgement: Judgement
  /** The bytes that went each way, as hex. */
  readonly sent: string
  readonly received: string
}

export interface CaseResult {
  readonly id: string
  readonly title: string
  readonly section: string
  readonly role: Role
  readonly verdict: Verdict
  readonly conversations: number
  readonly findings: readonly Finding[]
}

/** Collect the findings of one case in one role. */
export class CaseRecord {
  readonly #testCase: Case
  readonly #role: Role
  readonly #findings: Finding[] = []
  #conversations = 0

  constructor(testCase: Case, role: Role) {
    this.#testCase = testCase
    this.#role = role
  }

  add(variant: Variant, chunking: string, judgement: Judgement, received: Uint8Array): void {
    this.#conversations++
    if (judgement.verdict === 'ok') return
    this.#findings.push({
      variant: variant.name,
      chunking,
      judgement,
      sent: variant.steps
        .map((step) => (step.kind === 'send' ? hex(step.bytes) : step.kind === 'failure' ? '|' : '…'))
        .join(' '),
      received: hex(received),
    })
  }

  result(): CaseResult {
    const { id, title, section } = this.#testCase
    const verdicts = this.#findings.map(({ judgement }) => judgement.verdict)
    const verdict = verdicts.includes('deviation')
      ? 'deviation'
      : verdicts.includes('allowed')
        ? 'allowed'
        : 'ok'
    return {
      id,
      title,
      section,
      role: this.#role,
      verdict,
      conversations: this.#conversations,
      findings: this.#findings,
    }
  }
}

/** Map each case to its verdicts: what `golden.json` holds. */
export type Golden = Record<string, { title: string; section: string } & Partial<Record<Role, Verdict>>>

export function toGolden(results: readonly CaseResult[]): Golden {
  const golden: Golden = {}
  for (const { id, title, section, role, verdict } of results) {
    golden[id] = { ...(golden[id] ?? { title, section }), [role]: verdict }
  }
  return golden
}

/** Take the golden results of some cases. */
export function selected(golden: Golden, cases: readonly { readonly id: string }[]): Golden {
  return Object.fromEntries(cases.flatMap(({ id }) => (golden[id] === undefined ? [] : [[id, golden[id]]])))
}

/** Say one by one how results differ from the golden ones. */
export function differences(results: readonly CaseResult[], golden: Golden): string[] {
  const lines: string[] = []
  const actual = toGolden(results)
  for (const id of Object.keys(golden)) if (actual[id] === undefined) lines.push(`${id}: did not run`)
  for (const result of results) {
    const expected = golden[result.id]?.[result.role] ?? 'nothing'
    if (result.verdict !== expected) {
      lines.push(
        `${result.id} ${result.role}: expected ${expected}, found ${result.verdict}\n${describe(result)}`,
      )
    }
    const known = golden[result.id]
    if (known !== undefined && (known.title !== result.title || known.section !== result.section)) {
      lines.push(`${result.id}: title or section changed`)
    }
  }
  return lines
}

/** Say what was found in a case, at most three findings in full. */
export function describe(result: CaseResult): string {
  const { id, role, title, section, verdict, conversations, findings } = result
  const head = `${id} ${role}: ${verdict} in ${findings.length} of ${conversations} conversations`
  const lines = [`${head} - ${title} (RFC 6455 section ${section})`]
  for (const { variant, chunking, judgement, sent, received } of findings.slice(0, 3)) {
    lines.push(`  ${variant}, ${chunking}: ${judgement.remarks.join('; ')}`)
    lines.push(`    sent     ${sent}`, `    received ${received}`)
  }
  if (findings.length > 3) lines.push(`  and ${findings.length - 3} more`)
  return lines.join('\n')
}

/** Draw counts per group. */
export function table(results: readonly CaseResult[]): string {
  const rows = [['group', '', 'cases', 'conversations', 'ok', 'allowed', 'deviation']]
  const total = (label: string, name: string, of: readonly CaseResult[]) => {
    const count = (verdict: Verdict) => String(of.filter((result) => result.verdict === verdict).length)
    const conversations = of.reduce((sum, result) => sum + result.conversations, 0)
    rows.push([
      label,
      name,
      String(of.length),
      String(conversations),
      count('ok'),
      count('allowed'),
      count('deviation'),
    ])
  }
  for (const [group, name] of Object.entries(GROUPS)) {
    const of = results.filter(({ id }) => groupOf(id) === group)
    if (of.length > 0) total(group, name, of)
  }
  total('all', '', results)
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 1 ? cell.padEnd(widths[1]!) : cell.padStart(widths[column]!)))
        .join('  '),
    )
    .join('\n')
}
