import { cpus, totalmem } from 'node:os'

/** The arguments of a scenario. */
export interface BenchArguments {
  /** Take about a minute instead of several. */
  quick: boolean
  /** The number of rounds, for scenarios that have rounds; by default the scenario decides. */
  rounds?: number
  /** A file to write the figures to, as JSON. */
  json: string | undefined
}

type Load = () => Promise<{ run(args: BenchArguments): Promise<void> }>

/** The scenarios by name, each a module loaded on demand. These measure in rounds, as many as requested. */
const inRounds: Record<string, Load> = {
  push: () => import('./push/scenario.ts'),
  history: () => import('./history/scenario.ts'),
  idle: () => import('./idle/scenario.ts'),
  people: () => import('./people/scenario.ts'),
  plans: () => import('./plans/scenario.ts'),
  receipts: () => import('./receipts/scenario.ts'),
  send: () => import('./send/scenario.ts'),
  steady: () => import('./steady/scenario.ts'),
  storm: () => import('./storm/scenario.ts'),
}
/** These do not measure in rounds. */
const once: Record<string, Load> = {
  attachments: () => import('./attachments/scenario.ts'),
  gateways: () => import('./gateways/scenario.ts'),
  search: () => import('./search/scenario.ts'),
}

const USAGE = `npm run bench -- SCENARIO [--quick] [--rounds N] [--json FILE]

Scenarios: ${Object.keys(inRounds).join(', ')}; without --rounds: ${Object.keys(once).join(', ')}

  --quick      about a minute instead of several
  --rounds N   the number of rounds, 1 to 99; the figures are medians
  --json FILE  also writes the figures to this file
  --help       shows this

What each measures, and the results: docs/PERFORMANCE.md.`

/** Wrong usage; reported together with the correct usage. */
class UsageError extends Error {}

function parseArguments(argv: readonly string[]): { name: string; args: BenchArguments } {
  const args: BenchArguments = { quick: false, json: undefined }
  let name = ''
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? ''
    if (word === '--quick') args.quick = true
    else if (word === '--rounds' && /^[1-9]\d?$/.test(argv[i + 1] ?? '')) args.rounds = Number(argv[++i])
    else if (word === '--json' && argv[i + 1] !== undefined) args.json = argv[++i]
    else if (!word.startsWith('-') && name === '') name = word
    else throw new UsageError(`${word}: unknown argument`)
  }
  return { name, args }
}

function scenarioOf(name: string, { rounds }: BenchArguments): Load {
  const load = new Map([...Object.entries(inRounds), ...Object.entries(once)]).get(name)
  if (load === undefined) throw new UsageError(name === '' ? 'Which scenario?' : `There is no scenario ${name}.`)
  if (rounds !== undefined && Object.hasOwn(once, name)) throw new UsageError(`${name} takes no --rounds.`)
  return load
}

const argv = process.argv.slice(2)
if (argv.includes('--help')) {
  console.log(USAGE)
  process.exit()
}
try {
  const { name, args } = parseArguments(argv)
  const load = scenarioOf(name, args)
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  console.log(`${name}: Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model}), ${memory}`)
  await (await load()).run(args)
  process.exit()
} catch (error) {
  console.error(error instanceof UsageError ? `${error.message}\n\n${USAGE}` : error)
  process.exit(error instanceof UsageError ? 2 : 1)
}
