import pg from 'pg'

let made = 0

/** A database of a scenario's own. */
export interface BenchDatabase {
  readonly url: string
  /** For putting in what is measured, and for counting it. */
  readonly sql: pg.Pool
  drop(): Promise<void>
}

/** Makes an empty database next to the one named in the URL. */
export async function createDatabase(postgresUrl: string): Promise<BenchDatabase> {
  const name = `bench_${process.pid}_${made++}`
  await onServer(postgresUrl, `create database ${name}`)
  const url = new URL(postgresUrl)
  url.pathname = `/${name}`
  const sql = new pg.Pool({ connectionString: url.href, max: 4, application_name: 'bench' })
  // A pool has ended before its connections are closed: the drop may cut one.
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
