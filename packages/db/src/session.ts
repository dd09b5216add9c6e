import { PLANNER_OPTIONS } from './planner.ts'
import type { Queryable } from './pool.ts'

/**
 * What statements here rely on, whatever the role or the database sets for others: instants have one text form; a statement
 * that waited for a lock sees what was committed meanwhile, and waits for as long as its process allows.
 */
const SESSION_OPTIONS = [
  'DateStyle=ISO',
  'TimeZone=UTC',
  'default_transaction_isolation=read\\ committed',
  'lock_timeout=0',
  'standard_conforming_strings=on',
]
  .map((setting) => `-c ${setting}`)
  .join(' ')

/** Adds these settings to a database URL, before its own `options`, which take precedence. */
export function withSessionOptions(url: string): string {
  return withOptions(url, SESSION_OPTIONS)
}

/** Adds these settings and the planner's. */
export function withStatementOptions(url: string): string {
  return withOptions(url, `${SESSION_OPTIONS} ${PLANNER_OPTIONS}`)
}

function withOptions(url: string, options: string): string {
  const parsed = new URL(url)
  const own = parsed.searchParams.get('options')
  parsed.searchParams.set('options', own === null ? options : `${options} ${own}`)
  return parsed.href
}

/**
 * What every connection must have: a pooler ignores our settings, and the remaining ones are the operator's.
 * `synchronous_commit`: an acknowledged message is durable, which it is not with `off`.
 */
const REQUIRED = [
  { name: 'server_encoding', fits: /^UTF8$/, should: 'UTF8: recreate the database' },
  { name: 'DateStyle', fits: /^ISO\b/, should: 'ISO' },
  { name: 'default_transaction_isolation', fits: /^read /, should: 'read committed' },
  { name: 'synchronous_commit', fits: /^(?!off$)/, should: 'on' },
]

/**
 * @throws if a setting of the database or role breaks our guarantees; the message is one line without the database's address
 */
export async function requireSettings(db: Queryable): Promise<void> {
  const names = REQUIRED.map(({ name }) => name)
  const { rows } = await db.query<{ value: string }>(
    'select current_setting(name) as value from unnest($1::text[]) with ordinality as r (name, no) order by no',
    [names],
  )
  const wrong = REQUIRED.flatMap(({ name, fits, should }, index) => {
    const value = rows[index]?.value ?? ''
    return fits.test(value) ? [] : [`${name} is ${value} and should be ${should}`]
  })
  if (wrong.length > 0)
    throw new Error(`the database or its role has settings that Parley cannot work with: ${wrong.join('; ')}`)
}

/** Returns the seconds by which this machine's clock is ahead of the database's, to within a round trip. */
export async function secondsAhead(db: Queryable): Promise<number> {
  const asked = Date.now()
  const { rows } = await db.query<{ seconds: number }>(
    'select extract(epoch from clock_timestamp())::float8 as seconds',
  )
  const here = (asked + Date.now()) / 2_000
  return here - (rows[0]?.seconds ?? here)
}
