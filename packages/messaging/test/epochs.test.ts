import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type Database, openDatabase } from '@parley/db'
import { type OwnPostgres, ownPostgres, standbyOf } from '@parley/testkit'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { type DatabaseHistory, Epochs } from '../src/index.ts'

/* Servers that are stopped, copied, put back, crash and are promoted. */

const run = promisify(execFile)
const log = (line: string) => console.log(line)
let server: OwnPostgres
beforeAll(async () => {
  server = await ownPostgres(log)
})
afterAll(() => server?.[Symbol.asyncDispose]())

/** What a process that starts now finds. */
async function look(url = server.url): Promise<DatabaseHistory> {
  const db = openDatabase({ url, max: 1, applicationName: 'epochs-test' })
  try {
    return await looking(db).current()
  } finally {
    await db.close()
  }
}

function looking(db: Database, onParted = () => undefined): Epochs {
  return new Epochs({ db, onParted, onError: (error) => console.log(error) })
}

async function timeAt({ sql }: Pick<OwnPostgres, 'sql'>): Promise<string> {
  const { rows } = await sql.query<{ at: string }>(
    `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`,
  )
  return rows[0]?.at ?? ''
}

/** Whether an instant lies between two others. */
function expectBetween(at: string | null | undefined, from: string, to: string): void {
  expect([from, at, to].sort()).toEqual([from, at, to])
}

it('is the same for all who look, at the same time too, and after a stop in order', async () => {
  const found = await Promise.all(Array.from({ length: 5 }, () => look()))
  expect(new Set(found.map(({ name }) => name)).size).toBe(1)
  await server.stop()
  await server.start()
  const after = await look()
  expect(after.name).not.toBe(found[0]?.name)
  expect(after.partingFrom(found[0]?.name ?? '')).toBeUndefined()
  expect(after.partingFrom(after.name)).toBeUndefined()
})

it('parts from one that it knows nothing of, nobody knows where', async () => {
  expect((await look()).partingFrom('elsewhere')).toEqual({ at: null })
})

it('parts where the server has had to recover, as it does from files that were copied while it ran', async () => {
  const before = await look()
  const crashed = await timeAt(server)
  await server.crash()
  await server.start()
  const now = await timeAt(server)
  expectBetween((await look()).partingFrom(before.name)?.at, crashed, now)
})

it('parts where files of before were put back, which no recovery tells of', async () => {
  const [files, copy] = [server.dataDir, `${server.dataDir}-copy`]
  const kept = await look()
  await server.stop()
  await run('cp', ['-a', files, copy])
  await server.start()
  const lost = await look()
  const before = await timeAt(server)
  await server.stop()
  await run('rm', ['-r', files])
  await run('mv', [copy, files])
  await server.start()
  const after = await look()
  expectBetween(after.partingFrom(lost.name)?.at, before, await timeAt(server))
  // All that it knew is there.
  expect(after.partingFrom(kept.name)).toBeUndefined()
})

it('parts where a standby was promoted, at the last that it had got; those who look all the time are told, once', async () => {
  const standby = await standbyOf(server, log)
  await using _ = standby
  const before = await look()
  const db = openDatabase({ url: server.url, max: 1, applicationName: 'epochs-test', onError: () => undefined })
  const onParted = vi.fn()
  const epochs = looking(db, onParted)
  await epochs.start()
  await server.sql.query('create table last_seen (a int)')
  await standby.caughtUp()
  const last = await timeAt(server)
  // What can only be read has it as well.
  expect((await look(standby.url)).name).toBe(before.name)
  await standby.crash()
  await server.sql.query('create table never_seen (a int)')
  await server.stop()
  await standby.start()
  await standby.promote()
  await server.start()
  const promoted = await look(standby.url)
  const at = promoted.partingFrom(before.name)?.at ?? ''
  expectBetween(at, '2026', last)
  // The one that was left behind has not parted from itself.
  expect((await look()).partingFrom(before.name)).toBeUndefined()
  expect(onParted).not.toHaveBeenCalled()
  // As an address that leads elsewhere now does.
  const other = openDatabase({ url: standby.url, max: 1, applicationName: 'epochs-test', onError: () => undefined })
  Object.assign(db, { pool: other.pool })
  await expect.poll(() => onParted.mock.calls.length, { timeout: 5_000 }).toBe(1)
  expect((await epochs.current()).name).toBe(promoted.name)
  await epochs.stop()
  await other.close()
})

it('parts where a database was copied within its server, when that is first looked at', async () => {
  const before = await look()
  const from = await timeAt(server)
  const admin = openDatabase({ url: urlOf('postgres'), max: 1, applicationName: 'epochs-test' })
  const name = new URL(server.url).pathname.slice(1)
  const copy = async () => {
    await admin.pool.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name])
    await admin.pool.query(`create database copied template ${name}`)
  }
  await expect.poll(() => copy().then(() => 'made', String)).toBe('made')
  await admin.close()
  const copied = await look(urlOf('copied'))
  expectBetween(copied.partingFrom(before.name)?.at, from, await timeAt(server))
})

it('is found by a role that may ask for nothing, and does not change by what that cannot see', async () => {
  const { sql } = server
  await sql.query(`
    create role nobody login password 'x';
    grant select, insert, update, delete on epochs to nobody;
    revoke execute on function pg_control_system(), pg_walfile_name(pg_lsn), pg_postmaster_start_time(),
      pg_last_wal_replay_lsn(), pg_last_xact_replay_timestamp() from public`)
  const url = new URL(server.url)
  url.username = 'nobody'
  url.password = 'x'
  const known = await look()
  expect((await look(url.href)).name).toBe(known.name)
  await sql.query('delete from epochs')
  const first = await look(url.href)
  // Nothing that was known before is known any more: what an operator does where the server cannot tell.
  expect(first.partingFrom(known.name)).toEqual({ at: null })
  const rights = 'select system_id is null as a, timeline is null as b, started_at is null as c from epochs'
  expect((await sql.query(rights)).rows).toEqual([{ a: true, b: true, c: true }])
  // Whoever may ask for more adds it.
  expect((await look()).name).toBe(first.name)
  expect((await sql.query(rights)).rows).toEqual([{ a: false, b: false, c: false }])
})

function urlOf(database: string): string {
  const url = new URL(server.url)
  url.pathname = `/${database}`
  return url.href
}
