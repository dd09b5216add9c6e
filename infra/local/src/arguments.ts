import { parseArgs } from 'node:util'

export interface StartArguments {
  gateways: number
  port: number
  fresh: boolean
  /** Whether an empty cluster gets demo conversations. */
  demo: boolean
  help: boolean
}

/** Wrong usage; the message says what is wrong and what is right. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export const USAGE = `Usage: npm start -- [options]

Starts a Parley cluster on this machine: Postgres, Redis, S3, one api, gateways, one worker, and an edge in front of them,
which serves the chat.

  --gateways N   how many gateways, 1 to 16 (default 2)
  --port P       the port of the one public address (default 4000, or PORT); 0 takes any free one
  --fresh        throw away the data of earlier runs first
  --no-demo      leave an empty cluster empty: no demo conversations
  --help         show this

From the environment:

  DATABASE_URL   a Postgres of yours instead of the one that is started here
  REDIS_URL      a Redis (7 or later) of yours instead of the one that is started here
  S3_ENDPOINT    an S3 of yours, with S3_REGION, S3_BUCKET, S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY
  JWT_SECRET     what tokens are signed with (default: a random one, made once, kept in secrets/jwt under PARLEY_HOME)
  HOST           the address to listen on (default 127.0.0.1); whoever reaches another one can sign in as anybody
  LOG_LEVEL      of the processes' logs (default warn)
  PARLEY_HOME    where data, logs and secrets are kept (default .parley in the repository)
`

const MOST_GATEWAYS = 16

/**
 * Reads the command line of `npm start`.
 *
 * @throws UsageError for a flag it does not know, and for a value out of range
 */
export function parseArguments(argv: readonly string[], env: Record<string, string | undefined>): StartArguments {
  const values = parseFlags(argv)
  return {
    gateways: wholeNumber('--gateways', values.gateways ?? '2', 1, MOST_GATEWAYS),
    port:
      values.port === undefined
        ? wholeNumber('PORT', env.PORT || '4000', 0, 65_535)
        : wholeNumber('--port', values.port, 0, 65_535),
    fresh: values.fresh ?? false,
    demo: !(values['no-demo'] ?? false),
    help: values.help ?? false,
  }
}

function parseFlags(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      strict: true,
      allowPositionals: false,
      options: {
        gateways: { type: 'string' },
        port: { type: 'string' },
        fresh: { type: 'boolean' },
        'no-demo': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    // Node's own message goes on to advise about positional arguments, which there are none of.
    const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('. ')
    throw new UsageError(reason)
  }
}

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw new UsageError(`${name} is a whole number from ${least} to ${most}, not "${text}"`)
}
