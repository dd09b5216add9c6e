import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { toInstant } from './instant.ts'
import { parsePooled, withoutNamedStatements } from './named-statements.ts'
import * as schema from './schema.ts'
import { withStatementOptions } from './session.ts'

/**
 * By type oid: int8 and int8[] become numbers (every counter here stays below 2^53), timestamptz an RFC 3339 string with
 * its microseconds.
 */
const PARSERS = new Map<number, (raw: string) => unknown>([
  [20, Number],
  [1016, (raw) => (raw === '{}' ? [] : raw.slice(1, -1).split(',').map(Number))],
  [1184, toInstant],
])

const types: pg.CustomTypesConfig = {
  getTypeParser(oid, format) {
    const own = format === 'binary' ? undefined : PARSERS.get(oid)
    return own ?? pg.types.getTypeParser(oid, format)
  },
}

export interface DatabaseOptions {
  /** With `?pgbouncer=true` no statement is prepared by name. */
  url: string
  /** Connections this process may hold. */
  max: number
  /** Shown in pg_stat_activity. */
  applicationName: string
  /** Longest a statement may take before its connection is given up, in milliseconds. */
  queryTimeoutMs?: number
  /** Longest that a connection, or a free one of the pool, is waited for, in milliseconds. Default 2,000. */
  connectTimeoutMs?: number
  /** Called when an idle connection breaks; the pool replaces it by itself. */
  onError?: (error: Error) => void
}

/** Postgres as the queries of this package take it: `pool` for SQL written out, `orm` for the rest. */
export interface Database {
  readonly pool: pg.Pool
  readonly orm: Orm
  close(): Promise<void>
}

export type Orm = NodePgDatabase<typeof schema>
/** A pool, or the one connection that a transaction runs on. */
export type Queryable = Pick<pg.Pool, 'query'>

/** Postgres is later to give a statement up: what it answers then, nobody takes for an answer. Milliseconds. */
const SPARE_MS = 1_000

/** Opens a pool. No connection is made until the first query. */
export function openDatabase(options: DatabaseOptions): Database {
  const { url, pooled } = parsePooled(options.url)
  const queryTimeoutMs = options.queryTimeoutMs ?? 10_000
  const pool = new pg.Pool({
    connectionString: pooled ? url : withStatementOptions(url),
    max: options.max,
    application_name: options.applicationName,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 2_000,
    query_timeout: queryTimeoutMs,
    // A statement that was given up while it waited for a lock would go on waiting, and its connection with it. PgBouncer takes no
    // such parameter, nor the planner's; it has bounds of its own, and plans are not kept behind it.
    statement_timeout: pooled ? false : queryTimeoutMs + SPARE_MS,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    types,
  })
  pool.on('error', (error) => options.onError?.(error))
  if (pooled) withoutNamedStatements(pool)
  // Its own query() ends the connection after any error, also after one that Postgres has answered with and that is part of
  // the game, such as a message that is stored already.
  const query = (...args: unknown[]) =>
    onConnection<unknown>(pool, async (client) => Reflect.apply(client.query, client, args))
  Object.assign(pool, { query })
  const orm = drizzle({ client: pool, schema })
  return { pool, orm, close: () => pool.end() }
}

/** Between two statements of a transaction that only asks the database, in milliseconds. */
const IDLE_MS = 5_000

/**
 * Runs `work` in a transaction (read committed) on one connection. A connection whose rollback fails is not used again.
 * Deadlocks and serialization failures are tried again, three times in all: `work` must be safe to repeat.
 * @param idleMs after which without a statement Postgres takes it all back. Others wait for its locks, and it would not notice
 *   otherwise that this process is frozen, or that its machine is gone
 */
export async function transaction<T>(
  db: Database,
  work: (tx: Queryable) => Promise<T>,
  idleMs: number = IDLE_MS,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await once(db, work, idleMs)
    } catch (error) {
      if (attempt >= 3 || !isTransient(error)) throw error
    }
  }
}

function once<T>(db: Database, work: (tx: Queryable) => Promise<T>, idleMs: number): Promise<T> {
  return onConnection(db.pool, async (client, isBroken) => {
    try {
      await client.query(`begin; set local idle_in_transaction_session_timeout = ${idleMs}`)
      const result = await work(client)
      await client.query('commit')
      return result
    } catch (error) {
      // A connection that does not answer is not used again, and its end takes all of it back: a rollback would wait as long.
      if (!(error instanceof Error && isUnavailable(error))) await client.query('rollback').catch(isBroken)
      throw error
    }
  })
}

/** Runs `work` on one connection, which is not used again where it broke or the database did not answer as it should. */
async function onConnection<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient, isBroken: (error: Error) => void) => Promise<T>,
): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  // The pool listens to idle connections only. One that breaks here between two statements would end the process.
  const isBroken = (error: Error) => {
    broken = error
  }
  client.on('error', isBroken)
  try {
    return await work(client, isBroken)
  } catch (error) {
    if (error instanceof Error && isUnavailable(error)) broken = error
    throw error
  } finally {
    client.off('error', isBroken)
    client.release(broken)
  }
}

/** The SQLSTATE of an error that Postgres answered with, or the code of one that Node raised. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** Why something failed, in words. An address with several hosts behind its name fails with an error without any: its code. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message || (sqlState(error) ?? error.name) : String(error)
}

/** Deadlock or serialization failure: nothing was done, and the same again may work. */
export function isTransient(error: unknown): boolean {
  const state = sqlState(error)
  return state === '40P01' || state === '40001'
}

/**
 * The database itself is away, out of connections, starting or stopping, did not answer in time, has taken back a transaction
 * in which we were idle (25P03) or that took too long (25P04), or is one that is only read (25006: what was the primary has become
 * a standby); what was asked may or may not have been done. Classes 08, 53 and 57 of the SQLSTATE table, and errors that have no
 * SQLSTATE at all.
 * @see https://www.postgresql.org/docs/18/errcodes-appendix.html
 */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const state = sqlState(error)
  if (state !== undefined && /^[0-9A-Z]{5}$/.test(state) && !/^E[A-Z]{4}$/.test(state))
    return /^(08|53|57|25006|25P0[34])/.test(state)
  if (state !== undefined) return /^E(CONN|PIPE|TIMEDOUT|HOST|NET|AI_AGAIN|NOTFOUND)/.test(state)
  return /timeout|terminated|not queryable|closed/i.test(error.message)
}
