// Does compression pay? What it saves is measured on each message; where that is next to nothing a growing number of
// messages goes as it is, and then a few are tried again, so that a change of the traffic is noticed.

// A message that shrinks by less than a tenth costs more time than its bytes are worth.
const WORTH = 0.9
// The average forgets: a message counts an eighth, so that a few in a row decide.
const WEIGHT = 1 / 8
// As many messages are tried before a verdict.
const FEWEST = 4
const FIRST_REST = 16
const LONGEST_REST = 256

/** Measure what compression saves. */
export class Savings {
  /** The average of compressed to plain size. */
  #ratio = 0
  #tried = 0
  /** Messages that still go as they are. */
  #rest = 0
  #nextRest = FIRST_REST

  /** True while messages go as they are. */
  get isResting(): boolean {
    return this.#rest > 0
  }

  /** Count a message, and tell whether it should be compressed. */
  shouldTry(): boolean {
    if (this.#rest === 0) return true
    this.#rest--
    return false
  }

  /** Note what became of a message. */
  note(plain: number, compressed: number): void {
    const ratio = compressed / plain
    this.#ratio = this.#tried === 0 ? ratio : this.#ratio + (ratio - this.#ratio) * WEIGHT
    this.#tried++
    if (this.#tried < FEWEST) return
    if (this.#ratio <= WORTH) {
      this.#nextRest = FIRST_REST
      return
    }
    this.#rest = this.#nextRest
    this.#nextRest = Math.min(this.#nextRest * 2, LONGEST_REST)
    // The next attempt begins anew: it may be of another kind.
    this.#tried = 0
  }
}
