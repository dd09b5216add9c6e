import { PLANNER_OPTIONS } from './planner.ts'
import type { Queryable } from './pool.ts'

/**
 * What statements here take for granted, whatever the role or the database has set for others: instants are read in one form;
 * a statement that waited for a lock sees what was committed meanwhile, and waits as long as its process lets it.
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

/** A database's URL with these settings, and after them those that it has itself in `options`: the last of two counts. */
export function withSessionOptions(url: string): string {
  return withOptions(url, SESSION_OPTIONS)
}

/** The same with those of the planner. */
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
 * What a connection must find, as a pooler takes no settings from us, and others are the operator's to choose.
 * `synchronous_commit`: a message is acknowledged once it is durable, and with `off` it is not.
 */
const REQUIRED = [
  { name: 'server_encoding', fits: /^UTF8$/, should: 'UTF8: make the database anew' },
  { name: 'DateStyle', fits: /^ISO\b/, should: 'ISO' },
  { name: 'default_transaction_isolation', fits: /^read /, should: 'read committed' },
  { name: 'synchronous_commit', fits: /^(?!off$)/, should: 'on' },
]

/**
 * @throws where the database, or the role for it, has a setting with which nothing here can be promised; in one line, without the
 *   database's address
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
  if (wrong.length > 0) throw new Error(`the database, or its role, is not set as it has to be: ${wrong.join('; ')}`)
}

/** How many seconds the clock of this machine is ahead of the database's, give or take the question's way there and back. */
export async function secondsAhead(db: Queryable): Promise<number> {
  const asked = Date.now()
  const { rows } = await db.query<{ seconds: number }>(
    'select extract(epoch from clock_timestamp())::float8 as seconds',
  )
  const here = (asked + Date.now()) / 2_000
  return here - (rows[0]?.seconds ?? here)
}
