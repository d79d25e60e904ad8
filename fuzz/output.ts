// An output that can be backed up, as that of a socket whose peer reads slowly.

import { ByteOutput, type Output } from '../src/protocol/output.ts'

/** Collect output, and say that it is backed up as long as it is told to. */
export class SlowOutput implements Output {
  isBackedUp: boolean
  readonly #output = new ByteOutput()

  constructor(isBackedUp: boolean) {
    this.isBackedUp = isBackedUp
  }

  get bytes(): Uint8Array {
    return this.#output.bytes
  }

  reserve(size: number): number {
    return this.#output.reserve(size)
  }

  commit(end: number): void {
    this.#output.commit(end)
  }

  appendByReference(payload: Uint8Array): void {
    this.#output.appendByReference(payload)
  }

  takeOutput(): Uint8Array {
    return this.#output.takeOutput()
  }
}
