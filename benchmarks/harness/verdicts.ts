// Each target with what was measured for it.

import type { PeerName } from '../peers.ts'
import { type Target, targets } from '../targets.ts'
import type { Work } from '../works.ts'
import { type Measurement, ratioAgainst } from './statistics.ts'

export interface Verdict {
  readonly target: Target
  /** The ratio on each runtime; absent where it was not measured. */
  readonly ratios: Readonly<Record<string, number>>
  /** The ratio that Node alone would have, which no library on Node exceeds; absent where it was not measured. */
  readonly bounds: Readonly<Record<string, number>>
}

/** Returns a verdict for each target whose work was among those that were run. */
export function judge(
  works: readonly Work[],
  measurements: readonly Measurement[],
  runtimes: readonly string[],
): Verdict[] {
  return targets
    .filter(({ work }) => works.some(({ name }) => name === work))
    .map((target) => {
      const own = measurements.filter(({ work }) => work === target.work)
      const theirs = measurements.filter(({ work }) => work === (target.baseline ?? target.work))
      const ratioOf = (peer: PeerName): Record<string, number> => {
        const ratios: Record<string, number> = {}
        for (const runtime of runtimes) {
          const isMeasured = own.some((one) => one.peer === peer && one.runtime === runtime)
          const ratio = isMeasured ? ratioAgainst(own, target.peers, peer, runtime, theirs) : undefined
          if (ratio !== undefined) ratios[runtime] = ratio
        }
        return ratios
      }
      return { target, ratios: ratioOf('openline'), bounds: ratioOf('node-alone') }
    })
}

/** "12.3 ×", or "0.71 ×" of the other's where that is how the target says it; "–" where nothing was measured. */
export function formatRatio({ isShare }: Target, ratio: number | undefined): string {
  if (ratio === undefined) return '–'
  return isShare ? `${(1 / ratio).toFixed(2)} × its` : `${ratio.toFixed(2)} ×`
}

export function formatTarget(target: Target): string {
  const { isShare, ratio } = target
  return isShare ? `≤ ${(1 / ratio).toFixed(2)} × its` : `≥ ${ratio.toFixed(2)} ×`
}

export function wordFor(target: Target, ratio: number | undefined): string {
  if (ratio === undefined) return 'not measured'
  return ratio >= target.ratio ? 'met' : 'missed'
}
