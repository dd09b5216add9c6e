import { and, eq, isNull, lt, or } from 'drizzle-orm'
import type { Database, Queryable } from '../pool.ts'
import { users } from '../schema.ts'

export interface UserRow {
  id: string
  full_name: string
  profile_photo: string | null
  last_seen_at: string | null
}

export interface UserProfile {
  id: string
  /** Null keeps the stored name; a new person is then named by their id. */
  fullName: string | null
  /** Undefined keeps the stored photo. */
  profilePhoto: string | null | undefined
  /** fullName folded for searching; null if that is null. */
  nameKey: string | null
  /**
   * When this was true; it never overwrites a newer profile. Null: true from now on, whatever is stored, because the clock of a
   * token issuer or of another process may be ahead.
   */
  profileAt: Date | null
}

/**
 * Whether input `i` changes user `u`. One that is true from now on and says what is stored already is skipped if that was written in
 * this second: the `iat` of tokens counts in whole seconds. So concurrent writes of the same people do not rewrite all of them.
 */
const IS_NEWER = `
  u.profile_at < i.at or i.at is null and (
    u.profile_at < date_trunc('second', now()) or u.full_name is distinct from coalesce(i.full_name, u.full_name)
    or i.has_photo and u.profile_photo is distinct from i.photo
  )`

/**
 * Creates people, updates those whose stored profile is older, and returns all of them as they now are, in no particular order.
 * It is one statement that writes only what is new: a thousand returning people cost a read. Rows are locked in the order of
 * their ids, so that concurrent calls do not deadlock.
 * @param profiles one for each person
 */
export async function upsertUsers(db: Queryable, profiles: readonly UserProfile[]): Promise<UserRow[]> {
  const rows = await upsertSeen(db, profiles)
  // People whom others created while the statement ran are missing from its result, and not updated: it runs once more for them.
  const stored = new Set(rows.map((row) => row.id))
  const unseen = profiles.filter(({ id }) => !stored.has(id))
  return unseen.length === 0 ? rows : [...rows, ...(await upsertSeen(db, unseen))]
}

/** The statement of {@link upsertUsers}. People whom others create while it runs are left out. */
async function upsertSeen(db: Queryable, profiles: readonly UserProfile[]): Promise<UserRow[]> {
  const sorted = [...profiles].sort((a, b) => (a.id < b.id ? -1 : 1))
  const { rows } = await db.query<UserRow>({
    name: 'upsert_users',
    text: `
      with input as (
        select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::timestamptz[])
          as t (id, full_name, photo, name_key, has_photo, at)
      ), locked as (
        select u.id from input i join users u on u.id = i.id and u.id = any ($1::text[])
        where ${IS_NEWER}
        order by u.id for no key update of u
      ), updated as (
        update users u set full_name = coalesce(i.full_name, u.full_name), name_key = coalesce(i.name_key, u.name_key),
          profile_photo = case when i.has_photo then i.photo else u.profile_photo end,
          profile_at = coalesce(i.at, greatest(u.profile_at, now()))
        from input i join locked l on l.id = i.id
        where u.id = i.id and u.id = any ($1::text[]) and (${IS_NEWER})
        returning u.id, u.full_name, u.profile_photo, u.last_seen_at
      ), created as (
        insert into users (id, full_name, profile_photo, name_key, profile_at)
        select id, coalesce(full_name, id), photo, coalesce(name_key, lower(id)), coalesce(at, now()) from input
        on conflict (id) do nothing
        returning id, full_name, profile_photo, last_seen_at
      )
      select * from updated union all select * from created union all
      select u.id, u.full_name, u.profile_photo, u.last_seen_at from users u
      where u.id = any ($1::text[]) and u.id not in (select id from updated)`,
    values: [
      sorted.map((u) => u.id),
      sorted.map((u) => u.fullName),
      sorted.map((u) => u.profilePhoto ?? null),
      sorted.map((u) => u.nameKey),
      sorted.map((u) => u.profilePhoto !== undefined),
      sorted.map((u) => u.profileAt?.toISOString() ?? null),
    ],
  })
  return rows
}

/** Returns the people with these ids, in no particular order; unknown ids are left out. */
export async function findUsers(db: Queryable, ids: readonly string[]): Promise<UserRow[]> {
  const { rows } = await db.query<UserRow>({
    name: 'find_users',
    text: 'select id, full_name, profile_photo, last_seen_at from users where id = any ($1::text[])',
    values: [ids],
  })
  return rows
}

/** A page of the people whose folded name contains `nameKey` (everybody if it is empty), in the order of names. */
export interface NameQuery {
  nameKey: string
  limit: number
  offset: number
}

/** The number of names that findByName() scans, and the least number of matches among them for a text to count as common. */
const NAMES_READ = 10_000
const COMMON = 100

/**
 * Returns the page for a common text by scanning names in order. Each person before the page costs another ten names.
 * @returns undefined if too few of the scanned names contain the text; use findByParts() then
 */
export async function findByName(db: Queryable, { nameKey, limit, offset }: NameQuery): Promise<UserRow[] | undefined> {
  const most = offset + limit
  const { rows } = await db.query<UserRow>({
    name: 'find_by_name',
    text: `
      with found as materialized (
        select id from (select id, name_key from users order by name_key, id limit $2) names where name_key like $1 limit $3
      )
      select u.* from (select id from found offset $4 limit $5) f
      cross join lateral (select id, full_name, profile_photo, last_seen_at from users where id = f.id offset 0) u
      where (select count(*) from found) >= $3`,
    values: [containing(nameKey), NAMES_READ + 10 * most, Math.max(COMMON, most), offset, limit],
  })
  return rows.length === 0 ? undefined : rows
}

/**
 * Returns the page, and the number of matches, from the index of name substrings. Reads every person whose name contains the
 * text, and for a text of four characters or more also some whose name only contains its substrings. The plan:
 *     Bitmap Heap Scan on users
 *       -> Bitmap Index Scan on users_name_parts
 */
export async function findByParts(
  db: Queryable,
  { nameKey, limit, offset }: NameQuery,
): Promise<{ rows: UserRow[]; total: number }> {
  const { rows } = await db.query<UserRow & { total: number }>({
    name: 'find_by_parts',
    text: `
      with found as materialized (
        select id, full_name, profile_photo, last_seen_at, name_key from users
        where name_parts(name_key) collate "C" @> $1::text[] and name_key like $2
      ), page as (
        select * from found order by name_key, id limit $3 offset $4
      )
      select t.total, p.id, p.full_name, p.profile_photo, p.last_seen_at
      from (select count(*) as total from found) t left join page p on true order by p.name_key, p.id`,
    values: [partsOf(nameKey), containing(nameKey), limit, offset],
  })
  return { rows: rows.filter(({ id }) => id !== null).map(({ total: _, ...row }) => row), total: rows[0]?.total ?? 0 }
}

/** Counts the people whose folded name contains the text. Reads all names. */
export async function countByName(db: Queryable, nameKey: string): Promise<number> {
  const { rows } = await db.query<{ total: number }>({
    name: 'count_by_name',
    text: 'select count(*) as total from users where name_key like $1',
    values: [containing(nameKey)],
  })
  return rows[0]?.total ?? 0
}

/** The length of the longest indexed substrings; see name_parts() in the migrations. */
const PART = 3

/** Returns the most selective indexed substrings of a text: the text itself, or all of its substrings of length PART. */
function partsOf(text: string): string[] {
  // By code points, as in Postgres.
  const characters = [...text]
  if (text === '') return []
  if (characters.length <= PART) return [text]
  return characters.slice(PART - 1).map((_, at) => characters.slice(at, at + PART).join(''))
}

/** Records when a person was last online. Never moves backwards. */
export async function touchLastSeen({ orm }: Database, userId: string, at: Date): Promise<void> {
  const lastSeenAt = at.toISOString()
  await orm
    .update(users)
    .set({ lastSeenAt })
    .where(and(eq(users.id, userId), or(isNull(users.lastSeenAt), lt(users.lastSeenAt, lastSeenAt))))
}

/** Returns a LIKE pattern that matches `part` anywhere, taking its own wildcards literally. */
export function containing(part: string): string {
  return `%${part.replaceAll(/[\\%_]/g, '\\$&')}%`
}
