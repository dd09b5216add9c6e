import { type Database, findByName, findByParts } from '@parley/db'
import { user } from '@parley/testkit'
import { beforeAll, expect, it } from 'vitest'
import { foldText, People } from '../src/index.ts'
import { fileDatabase } from './file-database.ts'

/*
 * Searches users by part of their name. Both ways of searching find the same as a scan of all names. There are more users than
 * the search for a common text reads, and both rare and common texts occur at the start of names.
 */
const PEOPLE = 15_000
const NAMES = [
  'Ana Ng',
  'Anna Ångström',
  'Ønsk Æder',
  'Zhao 张伟',
  '李 Lei',
  '𠮷野 家',
  'Übel 100%',
  'under_score',
  'back\\slash',
  'aba bab',
]

const { database, db } = await fileDatabase(2)
let names: { id: string; key: string }[]
beforeAll(async () => {
  const people = new People(db)
  for (const name of NAMES) await people.put([user(name), user(`${name} the second`)])
  // Every tenth name is a Baran, and those come first; names with zz are few, and come last.
  await database.sql.query(
    `insert into users (id, full_name, name_key) select 'many-' || n, name, name from (
       select n, case when n % 10 = 0 then 'baran ' when n % 50 = 1 then 'zz ' else 'many ' end || n as name
       from generate_series(1, $1::int) n
     ) made`,
    [PEOPLE],
  )
  await database.sql.query('vacuum analyze users')
  const { rows } = await db.pool.query('select id, name_key as key from users order by name_key, id')
  names = rows
})

const TEXTS = [
  '',
  'a',
  'an',
  'ana',
  'anna',
  'ANNA ang',
  'n',
  'ng',
  '张',
  '张伟',
  '𠮷',
  '𠮷野',
  '𠮷野 家',
  'abab',
  '%',
  '_',
  '\\',
  '%a',
  'nobody',
  'aran',
]
const MORE = ['baran', 'ran 1', 'zz', 'zz 1', ' 1', '10', '1000', 'many 11', 'the second', 'a'.repeat(200), 'Ø', 'u']
const PAGES = [
  [1, 20],
  [2, 3],
  [7, 100],
  [130, 100],
] as const

it.each([...TEXTS, ...MORE])('“%s” is found in all names that contain it, in name order', async (text) => {
  const people = new People(db)
  const all = names.filter(({ key }) => key.includes(foldText(text))).map(({ id }) => id)
  for (const [page, limit] of PAGES) {
    const { data, meta } = await people.search(text, page, limit)
    expect(data.map(({ id }) => id)).toEqual(all.slice((page - 1) * limit, page * limit))
    expect(meta).toEqual({ page, limit, total: all.length, totalPages: Math.ceil(all.length / limit) })
  }
})

it('a common text is searched along the names, a rare one by index', async () => {
  const way = (nameKey: string, offset = 0) => findByName(db.pool, { nameKey, limit: 20, offset })
  expect(await way('many')).toHaveLength(20)
  expect(await way('baran', 1_000)).toHaveLength(20)
  expect(await way('anna')).toBeUndefined()
  // Enough names contain it, but none of the first.
  expect(await way('zz')).toBeUndefined()
})

it('the number of names with a common text is counted once for concurrent and later requests', async () => {
  const people = new People(db)
  const totals = async () =>
    (await Promise.all([1, 2].map((page) => people.search('many', page, 20)))).map((r) => r.meta.total)
  const before = await totals()
  const late = user('Many of them')
  await people.put([late])
  expect(await totals()).toEqual(before)
  expect((await new People(db).search('many', 1, 20)).meta.total).toBe((before[0] ?? 0) + 1)
  await db.pool.query('delete from users where id = $1', [late.id])
})

/** Number of database pages that a statement touched. */
async function touched(work: (q: Pick<Database['pool'], 'query'>) => Promise<unknown>): Promise<number> {
  let pages = Number.NaN
  const query = async ({ text, values }: { text: string; values: unknown[] }) => {
    const { rows } = await db.pool.query(`explain (analyze, buffers, format json) ${text}`, values)
    pages = rows[0]['QUERY PLAN'][0].Plan['Shared Hit Blocks'] + rows[0]['QUERY PLAN'][0].Plan['Shared Read Blocks']
    return { rows: [] }
  }
  await work({ query } as unknown as Pick<Database['pool'], 'query'>)
  return pages
}

it('reads little of the table either way', async () => {
  const page = { limit: 20, offset: 0 }
  const { rows } = await db.pool.query(`select pg_relation_size('users') / 8192 as pages`)
  expect(rows[0].pages).toBeGreaterThan(100)
  expect(await touched((q) => findByParts(q, { ...page, nameKey: 'anna' }))).toBeLessThan(40)
  expect(await touched((q) => findByName(q, { ...page, nameKey: 'baran' }))).toBeLessThan(100)
  expect(await touched((q) => findByName(q, { ...page, nameKey: 'nobody' }))).toBeLessThan(100)
})
