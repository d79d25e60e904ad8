import { defineConfig, type ViteUserConfig } from 'vitest/config'
import { SummaryReporter } from './scripts/summary-reporter.ts'

// Proxies of the machine that runs the tests are none of theirs; workers and the programs they start inherit this.
for (const name of Object.keys(process.env)) {
  if (/_proxy$/i.test(name)) delete process.env[name]
}

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // vitest leaves one core free by default, which is half of a small machine.
    maxWorkers: 2,
    reporters: ['default', new SummaryReporter()],
    coverage: {
      provider: 'v8',
      include: ['src/protocol/**', 'src/handshake/**'],
      thresholds: { lines: 100, branches: 100, functions: 100, statements: 100 },
    },
  },
})

export default config
