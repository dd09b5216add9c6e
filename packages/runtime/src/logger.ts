import { type DestinationStream, type Logger, pino } from 'pino'

export type { Logger } from 'pino'

/** Keys whose values never reach a log: credentials, and what people write to each other. */
const redactedKeys = ['authorization', 'token', 'password', 'secret', 'content', 'cookie'] as const

/** pino's paths match one depth each; three levels cover every object that is logged here. */
const redactedPaths = redactedKeys.flatMap((key) => [key, `*.${key}`, `*.*.${key}`, `*.*.*.${key}`])

export interface LoggerOptions {
  /** The process, e.g. `gateway`. */
  name: string
  level: string
  /** Where lines go; stdout unless a test gives another. */
  destination?: DestinationStream
}

/** JSON lines on stdout, written synchronously so that none is lost when the process ends. */
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
 * An error as a log line shows it: only named fields, since drivers hang whole queries with their parameters on theirs.
 * A text after `params:` in the message (drizzle puts the values of a failed query there) is cut off.
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
