import { randomUUID } from 'node:crypto'
import pg from 'pg'

/** A database name of the tests that nobody else has, safe to put into SQL as it stands. */
export function uniqueName(purpose: string): string {
  return `parley_${purpose}_${randomUUID().replaceAll('-', '').slice(0, 16)}`
}

/** The same server and account, another database. */
export function databaseUrl(serverUrl: string, database: string): string {
  const url = new URL(serverUrl)
  url.pathname = `/${database}`
  return url.href
}

/** A connection for making and dropping databases. The caller connects and ends it. */
export function adminClient(url: string): pg.Client {
  const client = new pg.Client({ connectionString: url, application_name: 'parley-testkit' })
  // A server that goes away between two statements fails the next one; it must not end the process.
  client.on('error', () => undefined)
  return client
}
