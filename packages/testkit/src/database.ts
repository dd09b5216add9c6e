import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { adminClient, databaseUrl, uniqueName } from './database-names.ts'
import { providedServices } from './provided.ts'

/** SQLSTATE of "source database is being accessed by other users". */
const OBJECT_IN_USE = '55006'
const COPY_TRIES = 20

/** An empty, migrated database for one test. */
export interface TestDatabase extends AsyncDisposable {
  readonly url: string
  /** For inspecting and preparing rows in a test. */
  readonly sql: pg.Pool
}

/** Copies the run's template database. Disposing drops the copy and closes remaining connections to it. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const { adminUrl, clientUrl, template } = providedServices().postgres
  const name = uniqueName('test')
  await withAdmin(adminUrl, (client) => copyDatabase(client, template, name))
  const url = databaseUrl(clientUrl, name)
  // Bypasses a pooler: a test may count or terminate connections.
  const sql = new pg.Pool({ connectionString: databaseUrl(adminUrl, name), max: 5, application_name: 'parley-test' })
  // Idle connections are closed when the database is dropped or its server restarted.
  sql.on('error', () => undefined)
  return {
    url,
    sql,
    [Symbol.asyncDispose]: async () => {
      await sql.end()
      await withAdmin(adminUrl, (client) => client.query(`drop database if exists ${name} with (force)`))
    },
  }
}

async function withAdmin(url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = adminClient(url)
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}

/** Retries while something else, such as autovacuum, is connected to the template. */
async function copyDatabase(client: pg.Client, template: string, name: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await client.query(`create database ${name} template ${template}`)
      return
    } catch (error) {
      const busy = error instanceof pg.DatabaseError && error.code === OBJECT_IN_USE
      if (!busy || attempt === COPY_TRIES) throw error
      await delay(100)
    }
  }
}
