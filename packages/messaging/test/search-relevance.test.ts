import { afterAll, beforeAll, expect, it } from 'vitest'
import { createSearchBed, type SearchBed } from './search-bed.ts'
import set from './search-relevance.json' with { type: 'json' }

let bed: SearchBed
const texts = Object.entries(set.texts)
beforeAll(async () => {
  bed = await createSearchBed()
  const conversation = await bed.conversation('ahmed')
  await bed.send(
    conversation,
    texts.map(([, content]) => ({ content })),
  )
})
afterAll(() => bed?.[Symbol.asyncDispose]())

it('finds what readers of many scripts expect, and little else', async () => {
  let [wanted, found, right] = [0, 0, 0]
  const missed: string[] = []
  for (const { query, finds } of set.queries) {
    const { data } = await bed.search('ahmed', query, { limit: '100' })
    const ids = data.map(({ seq }) => texts[seq - 1]?.[0] ?? '')
    const hits = ids.filter((id) => (finds as string[]).includes(id))
    wanted += finds.length
    found += ids.length
    right += hits.length
    if (hits.length < Math.max(ids.length, finds.length)) missed.push(`${query}: ${ids} and not ${finds}`)
    // Every hit says where it matched.
    for (const hit of data) expect(hit.highlights, `${query} in ${hit.content}`).not.toEqual([])
  }
  const [precision, recall] = [right / found, right / wanted]
  const pairs = `${set.queries.length} queries over ${texts.length} texts, ${wanted} pairs`
  console.log(`search relevance: ${pairs}: precision ${precision.toFixed(3)}, recall ${recall.toFixed(3)}`)
  if (missed.length > 0) console.log(`not as judged:\n  ${missed.join('\n  ')}`)
  expect(wanted).toBeGreaterThanOrEqual(60)
  expect(precision).toBeGreaterThanOrEqual(0.95)
  expect(recall).toBeGreaterThanOrEqual(0.95)
})
