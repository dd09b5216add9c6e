import { parseArgs } from 'node:util'

export interface StartArguments {
  gateways: number
  port: number
  fresh: boolean
  /** Whether an empty cluster gets demo conversations. */
  demo: boolean
  help: boolean
}

/** A wrong argument; the message says what is wrong. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export const USAGE = `Usage: npm start -- [options]

Starts a Parley cluster on this machine: Postgres, Redis, S3, one api, gateways, one worker, and an edge proxy in front of
them that also serves the chat.

  --gateways N   number of gateways, 1 to 16 (default 2)
  --port P       public port (default 4000, or PORT); 0 picks any free port
  --fresh        delete the data of earlier runs first
  --no-demo      do not create demo conversations in an empty cluster
  --help         show this help

Environment variables:

  DATABASE_URL   your own Postgres, instead of starting one
  REDIS_URL      your own Redis (7 or later), instead of starting one
  S3_ENDPOINT    your own S3, with S3_REGION, S3_BUCKET, S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY
  JWT_SECRET     the secret that signs tokens (default: a random one, kept in secrets/jwt under PARLEY_HOME)
  HOST           the address to listen on (default 127.0.0.1); anyone who can reach it can sign in as anybody
  LOG_LEVEL      log level of the processes (default warn)
  PARLEY_HOME    where data, logs and secrets are kept (default .parley in the repository)
`

const MOST_GATEWAYS = 16

/**
 * Reads the command line of `npm start`.
 *
 * @throws UsageError for an unknown flag or a value out of range
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
    // Only the first sentence: the rest of Node's message is about positional arguments, which do not exist here.
    const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('. ')
    throw new UsageError(reason)
  }
}

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw new UsageError(`${name} must be a whole number from ${least} to ${most}, not "${text}"`)
}
