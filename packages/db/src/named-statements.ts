import type pg from 'pg'

/**
 * The URL parameter that says that the database is behind PgBouncer or a similar pooler in transaction mode, where each
 * transaction may get another connection, so statements must not be prepared by name. Prisma uses the same name. The
 * parameter is not passed on to the driver.
 */
const PARAMETER = 'pgbouncer'

/** Reads the pooler parameter. @returns its value, and the URL without it, for the driver */
export function parsePooled(url: string): { url: string; pooled: boolean } {
  const parsed = new URL(url)
  const pooled = parsed.searchParams.get(PARAMETER) === 'true'
  parsed.searchParams.delete(PARAMETER)
  return { url: pooled ? parsed.href : url, pooled }
}

/** Makes every connection of a pool send its statements unnamed, so that none stays prepared on the server. */
export function withoutNamedStatements(pool: pg.Pool): void {
  pool.on('connect', (client) => {
    const send = client.query
    const sendUnnamed = (first: unknown, ...rest: unknown[]) => Reflect.apply(send, client, [unnamed(first), ...rest])
    Object.assign(client, { query: sendUnnamed })
  })
}

/** Drops the name from a query config, which is a plain object. Anything else, such as a driver's cursor, passes unchanged. */
function unnamed(query: unknown): unknown {
  if (query === null || typeof query !== 'object' || Object.getPrototypeOf(query) !== Object.prototype) return query
  return Object.fromEntries(Object.entries(query).filter(([key]) => key !== 'name'))
}
