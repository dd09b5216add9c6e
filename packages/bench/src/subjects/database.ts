import pg from 'pg'

let made = 0

/** A database for one scenario. */
export interface BenchDatabase {
  readonly url: string
  /** For inserting what is measured, and for counting it. */
  readonly sql: pg.Pool
  drop(): Promise<void>
}

/** Creates an empty database on the server named in the URL. */
export async function createDatabase(postgresUrl: string): Promise<BenchDatabase> {
  const name = `bench_${process.pid}_${made++}`
  await onServer(postgresUrl, `create database ${name}`)
  const url = new URL(postgresUrl)
  url.pathname = `/${name}`
  const sql = new pg.Pool({ connectionString: url.href, max: 4, application_name: 'bench' })
  // end() resolves before the connections are closed, so dropping the database may terminate one.
  sql.on('error', () => undefined)
  return {
    url: url.href,
    sql,
    async drop() {
      await sql.end()
      await onServer(postgresUrl, `drop database if exists ${name} with (force)`)
    },
  }
}

async function onServer(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
