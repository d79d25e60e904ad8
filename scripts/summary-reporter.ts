// A vitest reporter that closes a run with one plain line: how many tests passed and failed.
import type { Reporter, TestModule } from 'vitest/node'

/** Count tests and print `N passed, N failed` as the last line, with what was skipped where something was. */
export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const counts = { passed: 0, failed: errors.length, skipped: 0, pending: 0 }
    for (const module of modules) {
      for (const test of module.children.allTests()) counts[test.result().state]++
      // A file that could not be loaded has no tests, and must not pass for that.
      counts.failed += module.errors().length
    }
    const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''
    process.on('exit', () => {
      console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`)
    })
  }
}
