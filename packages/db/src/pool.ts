import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { toInstant } from './instant.ts'
import { parsePooled, withoutNamedStatements } from './named-statements.ts'
import * as schema from './schema.ts'
import { withStatementOptions } from './session.ts'

/**
 * Parsers by type OID: int8 and int8[] become numbers (every counter here stays below 2^53), timestamptz becomes an RFC 3339
 * string with microseconds.
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
  /** With `?pgbouncer=true`, statements are not prepared by name. */
  url: string
  /** The maximum number of connections. */
  max: number
  /** Shown in pg_stat_activity. */
  applicationName: string
  /** How long a statement may take before its connection is discarded, in milliseconds. Default 10,000. */
  queryTimeoutMs?: number
  /** How long to wait for a new connection, or for a free one from the pool, in milliseconds. Default 2,000. */
  connectTimeoutMs?: number
  /** Called when an idle connection breaks; the pool replaces it. */
  onError?: (error: Error) => void
}

/** A database connection: `pool` for handwritten SQL, `orm` for the rest. */
export interface Database {
  readonly pool: pg.Pool
  readonly orm: Orm
  close(): Promise<void>
}

export type Orm = NodePgDatabase<typeof schema>
/** A pool, or the connection that a transaction runs on. */
export type Queryable = Pick<pg.Pool, 'query'>

/** Postgres cancels a statement this much later than we give up on it, so its error never arrives as an answer. Milliseconds. */
const SPARE_MS = 1_000

/** Creates a pool. It connects on the first query. */
export function openDatabase(options: DatabaseOptions): Database {
  const { url, pooled } = parsePooled(options.url)
  const queryTimeoutMs = options.queryTimeoutMs ?? 10_000
  const pool = new pg.Pool({
    connectionString: pooled ? url : withStatementOptions(url),
    max: options.max,
    application_name: options.applicationName,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 2_000,
    query_timeout: queryTimeoutMs,
    // Otherwise a statement that we gave up on while it waited for a lock would keep waiting and hold its connection. PgBouncer
    // accepts neither this parameter nor the planner's; it has limits of its own, and plans are not kept behind it.
    statement_timeout: pooled ? false : queryTimeoutMs + SPARE_MS,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    types,
  })
  pool.on('error', (error) => options.onError?.(error))
  if (pooled) withoutNamedStatements(pool)
  // The pool's own query() closes the connection after any error, even an expected one from Postgres, such as a duplicate
  // message.
  const query = (...args: unknown[]) =>
    onConnection<unknown>(pool, async (client) => Reflect.apply(client.query, client, args))
  Object.assign(pool, { query })
  const orm = drizzle({ client: pool, schema })
  return { pool, orm, close: () => pool.end() }
}

/** How long a transaction that waits for nothing but the database may be idle between statements, in milliseconds. */
const IDLE_MS = 5_000

/**
 * Runs `work` in a transaction (read committed) on one connection. A connection whose rollback fails is discarded.
 * Deadlocks and serialization failures are retried, three attempts in total: `work` must be safe to repeat.
 * @param idleMs how long the transaction may be idle before Postgres rolls it back. Others wait for its locks, and Postgres
 *   would not otherwise notice that this process is frozen or its machine gone
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
      // An unresponsive connection is discarded, which rolls everything back; an explicit rollback would only time out as well.
      if (!(error instanceof Error && isUnavailable(error))) await client.query('rollback').catch(isBroken)
      throw error
    }
  })
}

/** Runs `work` on one connection, and discards the connection if it broke or the database was unavailable. */
async function onConnection<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient, isBroken: (error: Error) => void) => Promise<T>,
): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  // The pool handles errors of idle connections only. Without a listener, one between two statements would end the process.
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

/** The SQLSTATE of an error from Postgres, or the code of an error from Node. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** Describes an error in words. Node's error for a host name with several addresses has no message; its code is used then. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message || (sqlState(error) ?? error.name) : String(error)
}

/** Whether the error is a deadlock or serialization failure: everything was rolled back, and a retry may succeed. */
export function isTransient(error: unknown): boolean {
  const state = sqlState(error)
  return state === '40P01' || state === '40001'
}

/** Whether the error means that the database is read-only, as the former primary is now a standby, or because of a setting. */
export function isReadOnly(error: unknown): boolean {
  return sqlState(error) === '25006'
}

/**
 * Whether the error means that the database is unavailable: unreachable, out of connections, starting or stopping, too slow to
 * answer, or it rolled back a transaction that was idle (25P03) or took too long (25P04), or it is read-only (25006: the former
 * primary is now a standby). The statement may or may not have taken effect. Covers SQLSTATE classes 08, 53 and 57, and errors
 * without a SQLSTATE.
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
