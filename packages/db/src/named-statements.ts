import type pg from 'pg'

/**
 * The parameter of a database's URL that says that PgBouncer, or a pooler like it, hands each transaction another
 * connection: statements must not be prepared by name then. Prisma calls it so, too. It is not passed on.
 */
const PARAMETER = 'pgbouncer'

/** What the URL says, and the URL for the driver. */
export function parsePooled(url: string): { url: string; pooled: boolean } {
  const parsed = new URL(url)
  const pooled = parsed.searchParams.get(PARAMETER) === 'true'
  parsed.searchParams.delete(PARAMETER)
  return { url: pooled ? parsed.href : url, pooled }
}

/** Has every connection of a pool send its statements without their names, so that none stays on the server. */
export function withoutNamedStatements(pool: pg.Pool): void {
  pool.on('connect', (client) => {
    const send = client.query
    const sendUnnamed = (first: unknown, ...rest: unknown[]) => Reflect.apply(send, client, [unnamed(first), ...rest])
    Object.assign(client, { query: sendUnnamed })
  })
}

/** Only what a query of ours is: an object written out. A cursor or stream of the driver's passes as it is. */
function unnamed(query: unknown): unknown {
  if (query === null || typeof query !== 'object' || Object.getPrototypeOf(query) !== Object.prototype) return query
  return Object.fromEntries(Object.entries(query).filter(([key]) => key !== 'name'))
}
