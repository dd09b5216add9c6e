import type { Logger } from './logger.ts'

/** Minimum time between two lines about the same kind of error, in milliseconds. */
const EVERY_MS = 5_000
/** Kinds distinguished within that time. Further ones count as a single kind, such as errors with a slot number in each. */
const KINDS_MAX = 100
const OTHERS = 'others'

interface Kind {
  loggedAt: number
  leftOut: number
}

/**
 * Returns a function that logs errors of a service as warnings, with a rate limit. While Redis or Postgres is down, every
 * command fails with the same error: the first is logged, and those in the following five seconds are only counted, in `leftOut`
 * of the next line of that kind.
 * @param words message of the line
 * @param now returns the time in milliseconds; for tests
 */
export function troubleLog(logger: Logger, words: string, now = () => performance.now()): (error: unknown) => void {
  const kinds = new Map<string, Kind>()
  const forgetOld = () => {
    for (const [name, { loggedAt }] of kinds) if (now() - loggedAt >= EVERY_MS) kinds.delete(name)
  }
  return (error) => {
    const own = nameOf(error)
    if (!kinds.has(own) && kinds.size >= KINDS_MAX) forgetOld()
    const name = kinds.has(own) || kinds.size < KINDS_MAX ? own : OTHERS
    const kind = kinds.get(name)
    if (kind !== undefined && now() - kind.loggedAt < EVERY_MS) {
      kind.leftOut++
      return
    }
    kinds.set(name, { loggedAt: now(), leftOut: 0 })
    logger.warn({ err: error, ...(kind?.leftOut && { leftOut: kind.leftOut }) }, words)
  }
}

/** Returns the kind of an error: the same for errors with the same name, code and message. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error ? String(error.code) : ''
  return `${error.name} ${code} ${error.message}`
}
