// The command line of the table: tests a server by its URL, clients that connect, or the protocol in memory.

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { groupOf } from './case.ts'
import { allCases } from './cases/all.ts'
import { protocolEndpoint, runAllInMemory } from './in-memory.ts'
import { kernelFactories } from './kernels.ts'
import { type TcpOptions, testClient, testServer } from './over-tcp.ts'
import { type CaseResult, describe, table, toGolden } from './results.ts'

const USAGE = `Usage: npx tsx conformance/run.ts ws://127.0.0.1:PORT/   test the echo server there
       npx tsx conformance/run.ts --listen PORT          test echo clients that connect to PORT until refused
       npx tsx conformance/run.ts --in-memory            test this library's protocol without sockets
Options:
  --json FILE      write the verdicts as JSON
  --group N        run one group only, or one case by its whole id
  --allowed        also print what RFC 6455 allows but this library does not do
  --patience MS    longest wait for one answer (5000)
  --window MS      time in which fail-fast cases must fail (250)
  --concurrency N  conversations at a time (8)`

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      listen: { type: 'string' },
      'in-memory': { type: 'boolean', default: false },
      json: { type: 'string' },
      group: { type: 'string' },
      allowed: { type: 'boolean', default: false },
      patience: { type: 'string', default: '5000' },
      window: { type: 'string', default: '250' },
      concurrency: { type: 'string', default: '8' },
    },
  })
  const chosen = allCases.filter(
    ({ id }) => values.group === undefined || groupOf(id) === values.group || id === values.group,
  )
  const options: TcpOptions = {
    patience: Number(values.patience),
    failureWindow: Number(values.window),
    concurrency: Number(values.concurrency),
  }
  const url = positionals[0]
  let results: CaseResult[]
  if (values['in-memory']) {
    const feeds = { server: 'receiveRead', client: 'receiveRead' } as const
    results = runAllInMemory(chosen, protocolEndpoint(kernelFactories[0]!, feeds))
  } else if (values.listen !== undefined) {
    results = await testClient(chosen, { ...options, port: Number(values.listen) })
  } else if (url !== undefined) {
    results = await testServer(url, chosen, options)
  } else {
    console.error(USAGE)
    return 2
  }
  return report(results, values.json, values.allowed ? ['deviation', 'allowed'] : ['deviation'])
}

function report(results: readonly CaseResult[], file: string | undefined, shown: readonly string[]): number {
  for (const result of results) if (shown.includes(result.verdict)) console.log(`${describe(result)}\n`)
  console.log(table(results))
  if (file !== undefined) writeFileSync(file, `${JSON.stringify(toGolden(results), undefined, 2)}\n`)
  return results.some(({ verdict }) => verdict === 'deviation') ? 1 : 0
}

process.exitCode = await main()
