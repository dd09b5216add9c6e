import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { FAULTS } from './faults.ts'
import { isGood, presenceLines, table } from './report.ts'
import { runChaos } from './run.ts'

const USAGE = `npm run chaos -- [--fault NAME ...] [--short] [--clients N] [--json FILE] [--logs FILE]

Injects one fault after another into a cluster under load, and checks that nothing was lost, doubled or out of order.

Faults: ${FAULTS.map(({ name }) => name).join(', ')}

  --fault NAME  this one only; may be given several times (all, if left out)
  --short       the quick ones only: ${FAULTS.filter(({ short }) => short)
    .map(({ name }) => name)
    .join(', ')}
  --clients N   how many clients talk meanwhile, from 4 (40)
  --json FILE   writes the figures to this file, too
  --logs FILE   keeps what the processes wrote
  --help        shows this

What is checked, and what came out: docs/RELIABILITY.md.`

process.exitCode = await main()

/** @returns the exit code: 0 when nothing was lost, 1 when something was, 2 for wrong arguments */
async function main(): Promise<number> {
  const values = argumentsOrWhy()
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

/** What was asked for, or what is wrong with it. */
function argumentsOrWhy() {
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
    if (!Number.isInteger(clients) || clients < 4) return '--clients: a whole number from 4'
    return { ...values, clients }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
