import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { FAULTS } from './faults.ts'
import { isGood, presenceLines, table } from './report.ts'
import { runChaos } from './run.ts'

const USAGE = `npm run chaos -- [--json FILE] [--fault NAME ...] [--short] [--clients N] [--logs FILE]

Faults: ${FAULTS.map(({ name }) => name).join(', ')}`

process.exitCode = await main()

/** @returns the exit code: 0 when nothing was lost, 1 when something was, 2 for wrong arguments */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      json: { type: 'string' },
      fault: { type: 'string', multiple: true },
      short: { type: 'boolean', default: false },
      clients: { type: 'string', default: '40' },
      logs: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const clients = Number(values.clients)
  const unknown = values.fault?.filter((name) => !FAULTS.some((fault) => fault.name === name)) ?? []
  if (values.help || unknown.length > 0 || !Number.isInteger(clients) || clients < 4) {
    console.error(unknown.length > 0 ? `There is no fault ${unknown.join(', ')}.\n\n${USAGE}` : USAGE)
    return values.help ? 0 : 2
  }
  const short = values.short ? FAULTS.filter((fault) => fault.short).map(({ name }) => name) : undefined
  const faults = values.fault ?? short
  const report = await runChaos({
    clients,
    log: (line) => console.error(line),
    logs: values.logs,
    ...(faults && { faults }),
  })
  console.log(`\n${table(report.faults)}\n\n${presenceLines(report.presence)}`)
  for (const problem of report.problems) console.log(`problem: ${problem}`)
  const { faults: rows, presence } = report
  if (values.json !== undefined)
    await writeFile(values.json, `${JSON.stringify({ faults: rows, presence }, null, 2)}\n`)
  return isGood(report) ? 0 : 1
}
