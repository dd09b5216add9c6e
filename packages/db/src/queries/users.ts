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
  /** Null leaves the stored name as it is; a person who is new is then called by their id. */
  fullName: string | null
  /** Undefined leaves the stored photo as it is. */
  profilePhoto: string | null | undefined
  /** fullName folded for searching, null with it. */
  nameKey: string | null
  /** The moment at which this was true: nothing newer that is stored is undone by it. */
  profileAt: Date
}

/**
 * Creates people, brings those up to date about whom a profile is newer than what is stored, and returns all of them as
 * they are then, in no order. One statement, which writes nothing where nothing is new: a thousand people who come back
 * cost a read. Rows are written in id order so that two calls never deadlock.
 * @param profiles one for each person
 */
export async function upsertUsers(db: Queryable, profiles: readonly UserProfile[]): Promise<UserRow[]> {
  const sorted = [...profiles].sort((a, b) => (a.id < b.id ? -1 : 1))
  const { rows } = await db.query<UserRow>({
    name: 'upsert_users',
    text: `
      with input as (
        select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::timestamptz[])
          as t (id, full_name, photo, name_key, has_photo, at)
      ), locked as (
        select u.id from input i join users u on u.id = i.id and u.id = any ($1::text[]) and u.profile_at < i.at
        order by u.id for no key update of u
      ), updated as (
        update users u set full_name = coalesce(i.full_name, u.full_name), name_key = coalesce(i.name_key, u.name_key),
          profile_photo = case when i.has_photo then i.photo else u.profile_photo end, profile_at = i.at
        from input i join locked l on l.id = i.id
        where u.id = i.id and u.id = any ($1::text[]) and u.profile_at < i.at
        returning u.id, u.full_name, u.profile_photo, u.last_seen_at
      ), created as (
        insert into users (id, full_name, profile_photo, name_key, profile_at)
        select id, coalesce(full_name, id), photo, coalesce(name_key, lower(id)), at from input
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
      sorted.map((u) => u.profileAt.toISOString()),
    ],
  })
  // Of those whom somebody else created or changed while this statement ran, it has seen nothing or what they were.
  const stored = new Map(rows.map((row) => [row.id, row]))
  const unseen = sorted.flatMap(({ id }) => (stored.has(id) ? [] : [id]))
  if (unseen.length > 0) for (const row of await findUsers(db, unseen)) stored.set(row.id, row)
  return [...stored.values()]
}

/** The people with these ids, in no order; ids that nobody has are left out. */
export async function findUsers(db: Queryable, ids: readonly string[]): Promise<UserRow[]> {
  const { rows } = await db.query<UserRow>({
    name: 'find_users',
    text: 'select id, full_name, profile_photo, last_seen_at from users where id = any ($1::text[])',
    values: [ids],
  })
  return rows
}

/** A page of those whose folded name contains `nameKey`, everybody where it is empty, in the order of names. */
export interface NameQuery {
  nameKey: string
  limit: number
  offset: number
}

/** Names that are read for a page of a usual text, and how many of them have it at least: then it is usual. */
const NAMES_READ = 10_000
const USUAL = 100

/**
 * The page, where the text is usual: it is read off the names in their order. A page that is far from the first reads ten names more
 * for each person before it.
 * @returns undefined where too few of the names that were read have it; then findByParts() is the one to ask
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
    values: [containing(nameKey), NAMES_READ + 10 * most, Math.max(USUAL, most), offset, limit],
  })
  return rows.length === 0 ? undefined : rows
}

/**
 * The page, and how many there are in all, by the index of parts of names: reads all whose name has the text, and of a text of four
 * characters or more some whose name has its parts. The plan:
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

/** How many people have the text in their folded names. Reads all names. */
export async function countByName(db: Queryable, nameKey: string): Promise<number> {
  const { rows } = await db.query<{ total: number }>({
    name: 'count_by_name',
    text: 'select count(*) as total from users where name_key like $1',
    values: [containing(nameKey)],
  })
  return rows[0]?.total ?? 0
}

/** Characters of the longest parts; see name_parts() in the migrations. */
const PART = 3

/** Those parts of a text that say most of it: itself, or all of its longest. */
function partsOf(text: string): string[] {
  // By code points, as Postgres does.
  const characters = [...text]
  if (text === '') return []
  if (characters.length <= PART) return [text]
  return characters.slice(PART - 1).map((_, at) => characters.slice(at, at + PART).join(''))
}

/** When a person was last online. Never moves backwards. */
export async function touchLastSeen({ orm }: Database, userId: string, at: Date): Promise<void> {
  const lastSeenAt = at.toISOString()
  await orm
    .update(users)
    .set({ lastSeenAt })
    .where(and(eq(users.id, userId), or(isNull(users.lastSeenAt), lt(users.lastSeenAt, lastSeenAt))))
}

/** A LIKE pattern that finds `part` anywhere, its own wildcards taken literally. */
export function containing(part: string): string {
  return `%${part.replaceAll(/[\\%_]/g, '\\$&')}%`
}
