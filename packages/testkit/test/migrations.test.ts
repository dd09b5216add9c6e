import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { awaitSchema, type Database, MIGRATIONS, migrate, missingMigrations, openDatabase, reasonOf } from '@parley/db'
import pg from 'pg'
import { afterEach, expect, it, onTestFinished, vi } from 'vitest'
import { adminClient, databaseUrl, uniqueName } from '../src/database-names.ts'
import { providedServices } from '../src/index.ts'

const LAST = 'delete from drizzle.__drizzle_migrations where id = (select max(id) from drizzle.__drizzle_migrations)'

const silent = { warn: () => undefined }

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/**
 * Creates an empty database without a schema, and a pool for it.
 * @param more options of CREATE DATABASE
 */
async function emptyDatabase(more = '') {
  const { adminUrl } = providedServices().postgres
  const name = uniqueName('empty')
  const admin = adminClient(adminUrl)
  await admin.connect()
  ends.push(() => admin.end())
  await admin.query(`create database ${name} template template0 ${more}`)
  ends.push(() => admin.query(`drop database ${name} with (force)`))
  const url = databaseUrl(adminUrl, name)
  const db = openDatabase({ url, max: 2, applicationName: 'parley-test', onError: () => undefined })
  ends.push(() => db.close())
  return { url, db, name, admin }
}

/** Returns a folder with our migrations up to this one. */
async function migrationsTo(migration: string) {
  const folder = await mkdtemp(join(tmpdir(), 'parley-migrations-'))
  ends.push(() => rm(folder, { recursive: true, force: true }))
  await cp(MIGRATIONS, folder, { recursive: true })
  const file = join(folder, 'meta', '_journal.json')
  const journal: { entries: { tag: string }[] } = JSON.parse(await readFile(file, 'utf8'))
  const end = journal.entries.findIndex(({ tag }) => tag === migration) + 1
  await writeFile(file, JSON.stringify({ ...journal, entries: journal.entries.slice(0, end) }))
  return folder
}

/** Creates a database with our schema as of this migration. */
async function databaseAt(migration: string) {
  const folder = await migrationsTo(migration)
  const empty = await emptyDatabase()
  await migrate(empty.url, folder)
  return empty
}

/** Runs the program behind `npm run migrate`. */
function program(env: Record<string, string>): Promise<{ code: unknown; said: string }> {
  const file = fileURLToPath(new URL('../../db/src/migrate.ts', import.meta.url))
  return new Promise((resolve) => {
    execFile(process.execPath, [file], { env }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, said: stdout + stderr }),
    )
  })
}

it('may run several times at once: one migrates, the others wait', async () => {
  const { url, db } = await emptyDatabase()
  await Promise.all([migrate(url), migrate(url), migrate(url), migrate(url)])
  expect(await missingMigrations(db)).toBe(0)
  const { rows } = await db.pool.query(
    'select count(*) as n, count(distinct hash) as different from drizzle.__drizzle_migrations',
  )
  expect(rows[0].n).toBe(rows[0].different)
})

it('counts missing migrations and accepts unknown ones', async () => {
  const { url, db } = await emptyDatabase()
  const all = await missingMigrations(db)
  expect(all).toBeGreaterThan(5)
  await migrate(url)
  await db.pool.query(LAST)
  expect(await missingMigrations(db)).toBe(1)
  await db.pool.query(`insert into drizzle.__drizzle_migrations (hash, created_at) values ('of a later version', 9e15)`)
  expect(await missingMigrations(db)).toBe(0)
})

it('lets a process wait for the schema', async () => {
  const { url, db } = await emptyDatabase()
  const reasons: string[] = []
  let migrating: Promise<number> | undefined
  await awaitSchema(db, {
    signal: new AbortController().signal,
    logger: {
      warn: (fields) => {
        reasons.push(String(Object.values(fields)))
        migrating ??= migrate(url)
      },
    },
  })
  await migrating
  expect(reasons[0]).toMatch(/^the database lacks \d+ migrations/)
  expect(await missingMigrations(db)).toBe(0)
})

it('stops waiting after a time limit, and at once when the process stops', async () => {
  const { db } = await emptyDatabase()
  const signal = new AbortController().signal
  await expect(awaitSchema(db, { signal, logger: silent, boundMs: 1 })).rejects.toThrow(/gave up after .* migrations/)
  await awaitSchema(db, { signal: AbortSignal.abort(), logger: silent })
})

it.each([
  ["datestyle = 'German'", 'DateStyle is German, DMY and should be ISO'],
  ["default_transaction_isolation = 'serializable'", 'default_transaction_isolation is serializable'],
])('behind a pooler, which ignores our settings, rejects a database with this setting: %s', async (setting, line) => {
  const { url, name, admin } = await emptyDatabase()
  await migrate(url)
  await admin.query(`alter database ${name} set ${setting}`)
  const pooled = new URL(url)
  pooled.searchParams.set('pgbouncer', 'true')
  const db = openDatabase({ url: pooled.href, max: 1, applicationName: 'parley-test' })
  ends.push(() => db.close())
  const signal = new AbortController().signal
  await expect(awaitSchema(db, { signal, logger: silent })).rejects.toThrow(line)
})

it.each([300, -300])("warns if this machine's clock is %d seconds ahead", async (seconds) => {
  const { url, db } = await emptyDatabase()
  await migrate(url)
  const logger = { warn: vi.fn() }
  const waited = () => awaitSchema(db, { signal: new AbortController().signal, logger })
  await waited()
  expect(logger.warn).not.toHaveBeenCalled()
  const { now } = Date
  vi.spyOn(Date, 'now').mockImplementation(() => now() + seconds * 1_000)
  onTestFinished(() => void vi.restoreAllMocks())
  await waited()
  expect(logger.warn.mock.calls).toEqual([
    [{ secondsAhead: expect.any(Number) }, 'the clocks of this machine and of Postgres differ'],
  ])
  expect(Math.abs(logger.warn.mock.calls[0]?.[0].secondsAhead - seconds)).toBeLessThan(3)
})

it('rejects a database that may lose acknowledged commits', async () => {
  const { url, db, name, admin } = await emptyDatabase()
  await migrate(url)
  await admin.query(`alter database ${name} set synchronous_commit = off`)
  const waited = awaitSchema(db, { signal: new AbortController().signal, logger: silent })
  await expect(waited).rejects.toThrow('synchronous_commit is off and should be on')
})

it('rejects a database whose encoding is not UTF-8', async () => {
  const { url, db } = await emptyDatabase("encoding 'LATIN1' locale 'C'")
  expect(await program({ DATABASE_URL: url })).toEqual({
    code: 1,
    said: expect.stringMatching(/^schema: .*server_encoding is LATIN1 and should be UTF8.*\n$/),
  })
  expect((await db.pool.query("select from pg_namespace where nspname = 'drizzle'")).rowCount).toBe(0)
})

it('migrates into a schema with another name, as a role that owns two schemas and must not create any', async () => {
  const { url, name, admin } = await emptyDatabase()
  const role = uniqueName('role')
  await admin.query(`create role ${role} login password 'secret'`)
  ends.push(() => admin.query(`drop role ${role}`))
  const owner = adminClient(url)
  await owner.connect()
  ends.push(() => owner.end())
  ends.push(() => owner.query(`drop owned by ${role} cascade`))
  await owner.query(`create schema chat authorization ${role}; create schema drizzle authorization ${role}`)
  await owner.query(`alter role ${role} in database ${name} set search_path = chat`)
  await migrate(Object.assign(new URL(url), { username: role, password: 'secret' }).href)
  const { rows } = await owner.query(
    `select distinct relnamespace::regnamespace::text as schema from pg_class
     where relowner = $1::regrole and relkind = 'r' order by 1`,
    [role],
  )
  expect(rows).toEqual([{ schema: 'chat' }, { schema: 'drizzle' }])
})

it.each([
  [{ DATABASE_URL: '' }, 'DATABASE_URL is missing'],
  // With an unescaped character in the password it is no valid URL, but must still not appear in any log.
  [{ DATABASE_URL: 'postgres://parley:hunter#2@db/parley' }, 'DATABASE_URL is wrong'],
  [{ DATABASE_URL: 'mysql://parley:hunter2@db/parley' }, 'DATABASE_URL is wrong'],
  [{ DATABASE_URL: 'postgres://db/x', MIGRATE_DATABASE_URL: 'hunter2' }, 'MIGRATE_DATABASE_URL is wrong'],
])('exits like every process with wrong settings: %j', async (env, problem) => {
  expect(await program(env)).toEqual({ code: 78, said: `settings: ${problem}: it should be a postgres:// URL\n` })
})

it('reports its result in one line', async () => {
  const { url } = await emptyDatabase()
  const { entries } = JSON.parse(await readFile(join(MIGRATIONS, 'meta', '_journal.json'), 'utf8'))
  // The second one waits for the first.
  const both = await Promise.all([program({ DATABASE_URL: url }), program({ DATABASE_URL: url })])
  expect(both.map(({ code }) => code)).toEqual([0, 0])
  const said = both.map((one) => one.said).sort()
  expect(said).toEqual(['schema: up to date\n', `schema: up to date, after ${entries.length} migrations\n`])
})

it('reports a failure in one line', async () => {
  expect(await program({ DATABASE_URL: 'postgres://127.0.0.1:1/parley' })).toEqual({
    code: 1,
    said: 'schema: connect ECONNREFUSED 127.0.0.1:1\n',
  })
})

it('gives a reason even if none of a host’s several addresses responds', () => {
  const refused = Object.assign(new AggregateError([new Error('::1'), new Error('127.0.0.1')]), {
    code: 'ECONNREFUSED',
  })
  expect(reasonOf(refused)).toBe('ECONNREFUSED')
  expect(reasonOf(new Error('no password'))).toBe('no password')
})

it('preserves the content of the search index', async () => {
  const { url, db } = await databaseAt('0010_worker_statements')
  const id = '00000000-0000-4000-8000-000000000001'
  const sql = (text: string, values: unknown[] = []) => db.pool.query(text, values)
  await sql(`insert into users (id, full_name, name_key) values ('me', 'Me', 'me')`)
  await sql(`insert into conversations (id, type, created_by, participant_count) values ($1, 'GROUP', 'me', 1)`, [id])
  await sql(
    `insert into messages (conversation_id, seq, id, rev, sender_id, content, type, created_at)
     select $1, n, gen_random_uuid(), n, 'me', '', 'TEXT', now() + n * interval '1 second' from generate_series(1, 3) n`,
    [id],
  )
  await sql(
    `select index_messages(array_fill($1::uuid, '{3}'), '{1,2,3}', array(
       select format('''%1$sone'':1 ''%1$stwo'':%2$s', search_place($1, 0), n + 1)::tsvector from generate_series(1, 3) n
     ), true)`,
    [id],
  )
  await migrate(url)
  expect(await missingMigrations(db)).toBe(0)
  const found = async (query: string) => {
    const text = `
      select s.seq, m.created_at = s.sent_at as timed from search_slices(array[$1::uuid], '{0}', $2, null, null, null) s
      join messages m using (conversation_id, seq) order by s.seq`
    return (await sql(text, [id, query.replaceAll('$', '\u0001')])).rows
  }
  expect(await found("'$one' & '$two'")).toEqual([1, 2, 3].map((seq) => ({ seq, timed: true })))
  expect(await found("'$one' <2> '$two'")).toEqual([{ seq: 2, timed: true }])
})

it('works with a second login of the schema’s owner, created for a password change as in OPERATIONS.md', async () => {
  const page = await readFile(new URL('../../../docs/OPERATIONS.md', import.meta.url), 'utf8')
  const [, statements] = /```sql\n(CREATE ROLE parley_second[^`]*)```/.exec(page) ?? []
  if (statements === undefined) throw new Error('OPERATIONS.md has no second login')
  const { url } = await emptyDatabase()
  const owner = uniqueName('owner')
  const admin = adminClient(url)
  await admin.connect()
  ends.push(() => admin.end())
  await admin.query(`create role ${owner} login password 'the old password'`)
  await admin.query(`alter database ${new URL(url).pathname.slice(1)} owner to ${owner}`)
  ends.push(() => admin.query(`reassign owned by ${owner} to current_user; drop role ${owner}_second, ${owner}`))
  const as = (username: string, password: string) => Object.assign(new URL(url), { username, password }).href
  await migrate(as(owner, 'the old password'), await migrationsTo('0013_changes_by_servers'))

  await admin.query(statements.replaceAll('parley', owner))
  await admin.query(`alter role ${owner} nologin`)
  expect(await migrate(as(`${owner}_second`, 'the new password'))).toBeGreaterThan(0)
  const { rows } = await admin.query(`
    select pg_get_userbyid(relowner) as owner from pg_class where relnamespace = 'public'::regnamespace
    union select pg_get_userbyid(proowner) from pg_proc where pronamespace = 'public'::regnamespace`)
  expect(rows).toEqual([{ owner }])
})

/** Runs a statement in another transaction, which holds its locks until released. */
async function holding(url: string, statement: string) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  ends.push(() => client.end())
  await client.query('begin')
  await client.query(statement)
  return { query: (text: string) => client.query(text), release: () => client.query('commit') }
}

async function waiting({ pool }: Pick<Database, 'pool'>): Promise<boolean> {
  const { rowCount } = await pool.query(
    `select from pg_stat_activity where datname = current_database() and application_name = 'parley-migrate'
       and wait_event_type = 'Lock'`,
  )
  return rowCount === 1
}

it('does not block others while it waits for a lock, such as that of a backup', async () => {
  const { url, db } = await databaseAt('0007_plans_for_young_tables')
  const backup = await holding(url, 'lock table outbox in access share mode')
  const migrating = migrate(url)
  await expect.poll(() => waiting(db)).toBe(true)
  await db.pool.query(`insert into outbox (origin, batch, conversation_ids, seqs) values ('one', 1, '{}', '{}')`)
  expect(await missingMigrations(db)).toBeGreaterThan(0)
  await backup.release()
  await migrating
  expect(await missingMigrations(db)).toBe(0)
})

it('holds no lock of one migration during the next', async () => {
  const { url, db } = await databaseAt('0008_trace_of_messages')
  const indexing = await holding(url, 'lock table message_search in row exclusive mode')
  const migrating = migrate(url)
  await expect.poll(() => waiting(db)).toBe(true)
  await db.pool.query('select from messages')
  // The migration of the search index and those after it.
  expect(await missingMigrations(db)).toBe(9)
  await indexing.release()
  await migrating
  expect(await missingMigrations(db)).toBe(0)
})

it('retries after a deadlock with others', async () => {
  const { url, db } = await databaseAt('0013_changes_by_servers')
  const other = await holding(url, 'lock table message_search in row exclusive mode')
  const migrating = migrate(url)
  await expect.poll(() => waiting(db)).toBe(true)
  // The migration holds this lock and waits for the other. Postgres ends the transaction that detects the deadlock first.
  await other.query(`set local deadlock_timeout = '10s'`)
  await other.query('lock table messages in row exclusive mode')
  await other.release()
  await migrating
  expect(await missingMigrations(db)).toBe(0)
})

it('is not limited by timeouts set for others', async () => {
  const { url, db } = await emptyDatabase()
  const folder = await migrationsTo('0000_init')
  await writeFile(join(folder, '0000_init.sql'), 'create table slow as select 1 as one from pg_sleep(0.5)')
  for (const setting of ['statement_timeout', 'transaction_timeout']) {
    await db.pool.query(`alter database ${new URL(url).pathname.slice(1)} set ${setting} = '100ms'`)
  }
  await migrate(url, folder)
  expect((await db.pool.query('select from slow')).rowCount).toBe(1)
})
