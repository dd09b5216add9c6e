import { randomUUID } from 'node:crypto'
import pg from 'pg'

/** Returns a unique name for a test database, which is safe in SQL without quoting. */
export function uniqueName(purpose: string): string {
  return `parley_${purpose}_${randomUUID().replaceAll('-', '').slice(0, 16)}`
}

/** Returns the URL of another database on the same server, for the same user. */
export function databaseUrl(serverUrl: string, database: string): string {
  const url = new URL(serverUrl)
  url.pathname = `/${database}`
  return url.href
}

/** Returns a client for creating and dropping databases. The caller connects and ends it. */
export function adminClient(url: string): pg.Client {
  const client = new pg.Client({ connectionString: url, application_name: 'parley-testkit' })
  // An error while idle would end the process; the next statement fails anyway.
  client.on('error', () => undefined)
  return client
}
