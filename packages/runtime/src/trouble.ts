import type { Logger } from './logger.ts'

/** One line in this time for each kind of trouble, in milliseconds. */
const EVERY_MS = 5_000
/** Kinds that are told apart within that time. What is past them counts as one more: a cluster's slots that moved, say. */
const KINDS_MAX = 100
const OTHERS = 'others'

interface Kind {
  toldAt: number
  leftOut: number
}

/**
 * Logs trouble with the services that a process needs, as warnings. While Redis or Postgres is away everybody's commands fail,
 * each with an error of its own that says the same: the first is logged, and of those that follow within five seconds the next
 * line of its kind says in `leftOut` how many there were.
 * @param words what the line says
 * @param now the time in milliseconds; for tests
 */
export function troubleLog(logger: Logger, words: string, now = () => performance.now()): (error: unknown) => void {
  const kinds = new Map<string, Kind>()
  const forgetOld = () => {
    for (const [name, { toldAt }] of kinds) if (now() - toldAt >= EVERY_MS) kinds.delete(name)
  }
  return (error) => {
    const own = nameOf(error)
    if (!kinds.has(own) && kinds.size >= KINDS_MAX) forgetOld()
    const name = kinds.has(own) || kinds.size < KINDS_MAX ? own : OTHERS
    const kind = kinds.get(name)
    if (kind !== undefined && now() - kind.toldAt < EVERY_MS) {
      kind.leftOut++
      return
    }
    kinds.set(name, { toldAt: now(), leftOut: 0 })
    logger.warn({ err: error, ...(kind?.leftOut && { leftOut: kind.leftOut }) }, words)
  }
}

/** The same for errors that say the same. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error ? String(error.code) : ''
  return `${error.name} ${code} ${error.message}`
}
