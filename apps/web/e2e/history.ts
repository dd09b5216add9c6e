import { type Cluster, direct } from '@parley/testkit'
import { expect, test } from 'vitest'
import { pair, someone } from './people.ts'
import type { Stage } from './stage.ts'
import { seen, type Visitor } from './visitor.ts'

const MANY = 100_000
/** Most rows in the DOM: the visible ones, and some above and below. */
const MOST_ROWS = 80

export function historyTests(stage: () => Stage): void {
  test('a hundred thousand messages: few are in the DOM at a time, and the view does not jump', async () => {
    const { cluster, omar, lena, id, enter } = await pair(stage())
    await insertHistory(cluster, id, [omar.id, lena.id], 0, MANY)
    const visitor = await enter(omar)
    await seen(visitor.message(`Message ${MANY}.`))

    await visitor.log.hover()
    let oldest = MANY
    for (let turn = 0; turn < 30 || oldest > MANY - 200; turn++) {
      await visitor.page.mouse.wheel(0, -1_500)
      await frames(visitor)
      const { rows, first } = await inPage(visitor)
      expect(rows).toBeLessThan(MOST_ROWS)
      oldest = Math.min(oldest, first)
    }

    // A page inserted above moves nothing: the message in the middle stays there.
    const page = await heldPage(visitor)
    while (!page.asked()) {
      await visitor.page.mouse.wheel(0, -400)
      await frames(visitor)
    }
    await atRest(visitor)
    const before = await middle(visitor)
    await page.release()
    await frames(visitor)
    const after = await visitor.message(before.text).first().boundingBox()
    expect(Math.abs((after?.y ?? Number.NaN) - before.y)).toBeLessThan(2)

    await visitor.button('Jump to newest').click()
    await seen(visitor.message(`Message ${MANY}.`))
    await visitor.say('At the end of it')
    await seen(visitor.message('At the end of it').getByRole('img', { name: 'Sent' }))
  })

  test('only visible messages are marked as read, even if they are taller than estimated', async () => {
    const { omar, lena, enter, post } = await pair(stage(), { group: 'Harbour' })
    for (let n = 1; n <= 20; n++) await post(omar, `Read ${n}`)
    // Estimated as one line, but two of them also have a name above.
    for (let n = 1; n <= 30; n++)
      await post(lena, `Message ${n}. It is something that has been said while you were away.`)
    const visitor = await enter(omar)
    await seen(visitor.row('Harbour').getByText(/^\d+ unread/))
    const unread = async () => Number(/(\d+) unread/.exec((await visitor.row('Harbour').textContent()) ?? '')?.[1])
    await expect.poll(unread).toBeLessThan(30)
    const below = () =>
      visitor.log.evaluate((log) => {
        const { bottom } = log.getBoundingClientRect()
        const shown = [...log.querySelectorAll('article')].filter((it) => it.getBoundingClientRect().top < bottom)
        return 30 - Number(/Message (\d+)\./.exec(shown.at(-1)?.textContent ?? '')?.[1])
      })
    // A wrong read mark would stay.
    await expect.poll(async () => (await unread()) - (await below())).toBe(0)
  })

  test('a search finds an old message, highlights the match, and opens the history there', async () => {
    const { cluster, omar, lena, id, enter, post, indexed } = await pair(stage())
    await post(lena, 'The old lighthouse is open on Sundays')
    await indexed(omar, 'lighthouse sun', 1)
    await insertHistory(cluster, id, [omar.id, lena.id], 1, 3_000)
    const visitor = await enter(omar)
    await visitor.button('Search messages').click()
    const dialog = visitor.dialog('Search messages')
    await dialog.getByRole('searchbox', { name: 'Search messages' }).fill('lighthouse sun')
    const hit = dialog.getByRole('link').filter({ hasText: 'The old lighthouse' })
    await seen(hit)
    expect(await hit.count()).toBe(1)
    expect(await hit.locator('mark').allTextContents()).toEqual(['lighthouse', expect.stringMatching(/^Sun/)])
    await hit.click()
    await seen(visitor.message('The old lighthouse is open on Sundays'))
    await seen(visitor.message('Message 10.'))
    // Reading on from there leads back to the end.
    await visitor.button('Jump to newest').click()
    await seen(visitor.message('Message 3001.'))
  })

  test('a conversation that was left far back opens at its end', async () => {
    const { cluster, visit, omar, lena, id } = await pair(stage())
    const yuki = someone('Yuki')
    await direct(cluster, omar, yuki)
    await insertHistory(cluster, id, [omar.id, lena.id], 0, 1_000)
    const visitor = await visit(omar, { hash: `#/c/${id}/m/10` })
    await seen(visitor.message('Message 10.'))
    await visitor.open(yuki.fullName)
    await visitor.open(lena.fullName)
    await seen(visitor.message('Message 1000.'))
  })

  test('further search results are loaded once, and can be retried if that failed', async () => {
    const { visit, omar, lena, post, indexed } = await pair(stage())
    for (let n = 1; n <= 25; n++) await post(lena, `The lighthouse, ${n}`)
    await indexed(omar, 'lighthouse', 25)
    const visitor = await visit(omar)
    await visitor.button('Search messages').click()
    const dialog = visitor.dialog('Search messages')
    await dialog.getByRole('searchbox', { name: 'Search messages' }).fill('lighthouse')
    const hits = dialog.getByRole('list', { name: 'Results' }).getByRole('link')
    await expect.poll(() => hits.count()).toBe(20)
    // However many results there are, their number stays visible.
    expect(await dialog.getByRole('status').evaluate((it) => it.scrollHeight - it.clientHeight)).toBe(0)

    await visitor.intercept(/\/search\?/, (route) => route.abort('connectionrefused'))
    await dialog.getByRole('button', { name: 'Show more' }).click()
    await seen(dialog.getByText('The search failed.'))
    expect(await hits.count()).toBe(20)
    await visitor.page.unroute(/\/search\?/)
    await post(lena, 'The lighthouse, 26')
    await indexed(omar, 'lighthouse', 26)
    await dialog.getByRole('button', { name: 'Show more' }).click()
    await seen(dialog.getByText('26 messages'))
    const numbers = (await hits.allTextContents()).map((text) => /lighthouse, (\d+)/.exec(text)?.[1])
    expect(numbers).toEqual(Array.from({ length: 25 }, (_, index) => String(25 - index)))
  })
}

/** Inserts messages directly into the database, the last one with the current time: sending them would take minutes. */
async function insertHistory(
  cluster: Cluster,
  id: string,
  people: readonly [string, string],
  after: number,
  count: number,
) {
  const last = after + count
  await cluster.sql.query(
    `insert into messages (conversation_id, seq, id, rev, sender_id, client_message_id, content, type, created_at)
     select $1, seq, gen_random_uuid(), seq, ($2::text[])[1 + (seq / 3) % 2], 'inserted-' || seq,
       'Message ' || seq || '.' || repeat(' And some more of it.', (seq % 7)::int), 'TEXT',
       now() - ($4::bigint - seq) * interval '40 seconds'
     from generate_series($3::bigint + 1, $4::bigint) as seq`,
    [id, people, after, last],
  )
  await cluster.sql.query('update conversations set last_seq = $2, rev = $2, last_message_at = now() where id = $1', [
    id,
    last,
  ])
  await cluster.sql.query('update participants set last_read_seq = $2, rev = $2 where conversation_id = $1', [id, last])
}

/** Holds back the next page of older messages. Releasing it resolves once the page has it. */
async function heldPage(visitor: Visitor): Promise<{ asked: () => boolean; release: () => Promise<void> }> {
  const { page } = visitor
  const held = Promise.withResolvers<void>()
  let asked = false
  const pattern = /\/messages\?.*before/
  await visitor.intercept(pattern, async (route) => {
    asked = true
    await held.promise
    await route.continue()
  })
  return {
    asked: () => asked,
    release: async () => {
      const answered = page.waitForResponse(pattern)
      held.resolve()
      await (await answered).finished()
      await page.unroute(pattern)
    },
  }
}

/** Waits two frames, after which scrolled-in rows have been rendered. */
function frames({ page }: Visitor): Promise<void> {
  return page.evaluate(
    () => new Promise<void>((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve()))),
  )
}

/** Resolves when scrolling has stopped. */
function atRest({ log }: Visitor): Promise<void> {
  return log.evaluate(
    (scroller) =>
      new Promise<void>((resolve) => {
        let [place, frames] = [scroller.scrollTop, 0]
        const look = () => {
          frames = scroller.scrollTop === place ? frames + 1 : 0
          place = scroller.scrollTop
          if (frames === 10) resolve()
          else requestAnimationFrame(look)
        }
        look()
      }),
  )
}

/** Returns how many messages are in the DOM, and the number of the first one. */
function inPage({ log }: Visitor): Promise<{ rows: number; first: number }> {
  return log.getByRole('article').evaluateAll((all) => {
    const numbers = all.flatMap((it) => {
      const [, number] = /Message (\d+)\./.exec(it.textContent ?? '') ?? []
      return number === undefined ? [] : [Number(number)]
    })
    return { rows: all.length, first: Math.min(...numbers, Number.MAX_SAFE_INTEGER) }
  })
}

/** Returns the message in the middle of the view, and its position. */
async function middle({ log }: Visitor): Promise<{ text: string; y: number }> {
  return log.evaluate((scroller) => {
    const { top, height } = scroller.getBoundingClientRect()
    const all = [...scroller.querySelectorAll('article')]
    const found = all.find((it) => it.getBoundingClientRect().bottom > top + height / 2)
    const [text = ''] = /Message \d+\./.exec(found?.textContent ?? '') ?? []
    return { text, y: found?.getBoundingClientRect().y ?? Number.NaN }
  })
}
