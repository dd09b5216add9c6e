import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { FAULTS } from './faults.ts'
import { isGood, presenceLines, table } from './report.ts'
import { runChaos } from './run.ts'

const USAGE = `npm run chaos -- [--fault NAME ...] [--short] [--clients N] [--json FILE] [--logs FILE]

Injects one fault after another into a cluster under load, and checks that nothing was lost, duplicated or out of order.

Faults: ${FAULTS.map(({ name }) => name).join(', ')}

  --fault NAME  only this fault; may be repeated (default: all)
  --short       only the quick ones: ${FAULTS.filter(({ short }) => short)
    .map(({ name }) => name)
    .join(', ')}
  --clients N   the number of clients, at least 4 (default: 40)
  --json FILE   also writes the figures to this file
  --logs FILE   writes the processes' logs to this file
  --help        shows this

What is checked, and the results: docs/RELIABILITY.md.`

process.exitCode = await main()

/** @returns the exit code: 0 if all is well, 1 if anything was lost or wrong, 2 for wrong arguments */
async function main(): Promise<number> {
  const values = parseArguments()
  if (typeof values === 'string') {
    console.error(`${values}\n\n${USAGE}`)
    return 2
  }
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  const { clients } = values
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

/** Returns the arguments, or what is wrong with them. */
function parseArguments() {
  try {
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
    if (unknown.length > 0) return `There is no fault ${unknown.join(', ')}.`
    if (!Number.isInteger(clients) || clients < 4) return '--clients must be a whole number of at least 4.'
    return { ...values, clients }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
