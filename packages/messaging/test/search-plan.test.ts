import { transaction } from '@parley/db'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parseQuery } from '../src/index.ts'
import { toTsquery } from '../src/search/tsearch.ts'
import { createSearchBed, type SearchBed } from './search-bed.ts'

let bed: SearchBed
beforeAll(async () => {
  bed = await createSearchBed()
})
afterAll(() => bed?.[Symbol.asyncDispose]())

/**
 * Number of database pages that one index lookup touches. The lookup runs twice, in one transaction and so on one connection
 * to the server: on a new connection the first one reads the catalogs as well.
 */
async function pagesOf(conversationIds: string[], query: string): Promise<number> {
  const node = parseQuery(query)
  if (node === null) throw new Error('nothing to search for')
  return transaction(bed.db, async (tx) => {
    const lookUp = () =>
      tx.query<{ 'QUERY PLAN': { Plan: Record<string, number> }[] }>(
        'explain (analyze, buffers, format json) select * from search_slices($1, $2, $3, null, null, null)',
        [conversationIds, conversationIds.map(() => 0), toTsquery(node)],
      )
    await lookUp()
    const plan = (await lookUp()).rows[0]?.['QUERY PLAN'][0]?.Plan
    return (plan?.['Shared Hit Blocks'] ?? 0) + (plan?.['Shared Read Blocks'] ?? 0)
  })
}

it('touches no more pages when others write more, whatever the query', async () => {
  const words = (n: number) => ({ content: `alpha beta${n % 40} gamma${n}` })
  const mine = [await bed.conversation('me'), await bed.conversation('me')]
  for (const id of mine)
    await bed.send(
      id,
      Array.from({ length: 50 }, (_, n) => words(n)),
    )
  const queries = ['alpha', 'gamma7', 'a', 'beta1 alpha', '"alpha beta7"', 'missing']
  const measure = () => Promise.all(queries.map((query) => pagesOf(mine, query)))
  const before = await measure()
  for (let c = 0; c < 60; c++) {
    const theirs = await bed.conversation('others')
    await bed.send(
      theirs,
      Array.from({ length: 100 }, (_, n) => words(n)),
    )
  }
  const after = await measure()
  // Allows for one more index level per term and conversation, as the index may have grown by one.
  for (const [index, pages] of after.entries()) {
    expect(pages, queries[index]).toBeLessThanOrEqual((before[index] ?? 0) + 8)
  }
})
