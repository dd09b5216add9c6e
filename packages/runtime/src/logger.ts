import { type DestinationStream, type Logger, pino } from 'pino'

export type { Logger } from 'pino'

/** Keys whose values are never logged: credentials and message content. */
const redactedKeys = ['authorization', 'token', 'password', 'secret', 'content', 'cookie'] as const

/** Each of pino's paths matches one depth; three levels below the top cover every object that is logged. */
const redactedPaths = redactedKeys.flatMap((key) => [key, `*.${key}`, `*.*.${key}`, `*.*.*.${key}`])

export interface LoggerOptions {
  /** The process, e.g. `gateway`. */
  name: string
  level: string
  /** Where lines are written. Default: stdout. */
  destination?: DestinationStream
}

/** Creates a logger that writes JSON lines synchronously, so that none is lost when the process exits. */
export function createLogger({ name, level, destination }: LoggerOptions): Logger {
  const options = {
    level,
    base: { name, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: redactedPaths, censor: '[redacted]' },
    serializers: { err: describeError, error: describeError },
  }
  return destination ? pino(options, destination) : pino(options)
}

/**
 * Serialises an error for the log: known fields only, because drivers attach whole queries with their parameters. Text after
 * `params:` in the message (where drizzle puts the values of a failed query) is cut off.
 */
function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return error
  const code = 'code' in error && (typeof error.code === 'string' || typeof error.code === 'number') ? error.code : null
  const message = withoutParameters(error.message)
  return {
    type: error.name,
    message,
    ...(code === null ? {} : { code }),
    ...(error.stack === undefined ? {} : { stack: error.stack.replace(error.message, () => message) }),
    ...(error.cause instanceof Error && depth < 3 ? { cause: describeError(error.cause, depth + 1) } : {}),
  }
}

function withoutParameters(message: string): string {
  const start = message.search(/\nparams: /)
  return start === -1 ? message : `${message.slice(0, start)}\nparams: [redacted]`
}
