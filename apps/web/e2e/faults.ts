import { dataOf } from '@parley/testkit'
import { devices } from 'playwright-core'
import { expect, test } from 'vitest'
import { pair } from './people.ts'
import type { Stage } from './stage.ts'
import { gone, seen, type Visitor } from './visitor.ts'

export function faultTests(stage: () => Stage): void {
  test('offline: says so, keeps messages, and sends them once when back online', async () => {
    const { cluster, goOffline, omar, lena, id, enter } = await pair(stage())
    const [atOmars, atLenas] = [await enter(omar), await enter(lena, { gateway: 1 })]
    await atOmars.say('Before')
    await seen(atOmars.message('Before').getByRole('img', { name: /Sent|Read/ }))

    await goOffline(atOmars)
    await seen(atOmars.list.getByRole('status').getByText('You are offline.'))
    for (const text of ['Written offline 1', 'Written offline 2']) {
      await atOmars.say(text)
      await seen(atOmars.message(text).getByRole('img', { name: 'Waiting for a connection' }))
    }
    await atLenas.say('Sent meanwhile')
    await atOmars.context.setOffline(false)
    await seen(atOmars.message('Sent meanwhile'))
    for (const text of ['Written offline 1', 'Written offline 2']) {
      await seen(atOmars.message(text).getByRole('img', { name: /Sent|Read/ }))
      await seen(atLenas.message(text))
      expect([await atOmars.message(text).count(), await atLenas.message(text).count()]).toEqual([1, 1])
    }
    await gone(atOmars.list.getByText(/You are offline|Connecting|Catching up/))
    const { data } = await page(cluster, omar, id)
    expect(data).toEqual(['Before', 'Sent meanwhile', 'Written offline 1', 'Written offline 2'])
  })

  test.each(['script', 'stylesheet'])(
    'a page whose %s comes from another build, as during an upgrade, reloads until both match',
    async (type) => {
      const { omar, lena, enter } = await pair(stage())
      const visitor = await enter(omar)
      const { page } = visitor
      let lacking = true
      await visitor.intercept(/\/assets\//, (route) => {
        if (!lacking || route.request().resourceType() !== type) return route.continue()
        lacking = false
        return route.fulfill({ status: 404 })
      })
      const loads: string[] = []
      page.on('load', () => loads.push(page.url()))
      await page.reload()
      await expect.poll(() => loads.length, { timeout: 30_000 }).toBeGreaterThan(1)
      await seen(visitor.row(lena.fullName))
      expect(visitor.problems.splice(0)).toEqual([expect.stringContaining('status of 404')])
    },
  )

  test('messages written offline survive a reload', async () => {
    const { cluster, goOffline, omar, id, enter } = await pair(stage())
    const visitor = await enter(omar)
    await goOffline(visitor)
    await visitor.say('Kept over a reload')
    await expect.poll(() => kept(visitor)).toBe(1)
    // The page can be loaded again, but the cluster cannot be reached yet.
    await visitor.intercept(/\/(api|socket\.io)\//, (route) => route.abort('connectionrefused'))
    await visitor.context.setOffline(false)
    await visitor.page.reload()
    await visitor.page.unroute(/\/(api|socket\.io)\//)
    await expect
      .poll(async () => (await page(cluster, omar, id)).data, { timeout: 20_000 })
      .toEqual(['Kept over a reload'])
  })

  test('messages written offline survive a reload even if the browser had cleared its storage before', async () => {
    const { cluster, goOffline, omar, id, enter } = await pair(stage())
    const visitor = await enter(omar)
    await visitor.say('Kept and stored')
    await seen(visitor.message('Kept and stored').getByRole('img', { name: 'Sent' }))
    const session = await visitor.context.newCDPSession(visitor.page)
    await session.send('Storage.clearDataForOrigin', { origin: visitor.address, storageTypes: 'indexeddb' })
    await goOffline(visitor)
    await visitor.say('Kept over a reload')
    await expect.poll(() => kept(visitor)).toBe(1)
    await visitor.context.setOffline(false)
    await visitor.page.reload()
    await expect
      .poll(async () => (await page(cluster, omar, id)).data, { timeout: 20_000 })
      .toEqual(['Kept and stored', 'Kept over a reload'])
  })

  test('offline: dialogs that were never opened before still open', async () => {
    const { goOffline, omar, enter } = await pair(stage())
    const visitor = await enter(omar)
    await visitor.page.waitForLoadState('networkidle')
    // Loaded along with the list, not on a click.
    const loaded = () => visitor.page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => name))
    for (const part of ['search-messages', 'conversation-details', 'new-conversation'])
      await expect.poll(loaded).toContainEqual(expect.stringMatching(new RegExp(`/${part}-[^/]+[.]js$`)))
    await goOffline(visitor)
    for (const name of ['Search messages', 'Conversation details', 'New conversation']) {
      await visitor.button(name).click()
      await seen(visitor.dialog(name))
      await visitor.page.keyboard.press('Escape')
      await gone(visitor.page.getByRole('dialog'))
    }
  })

  test('messages that arrived while offline are below a line, like those that arrived while away', async () => {
    const { goOffline, omar, lena, enter, post } = await pair(stage())
    const visitor = await enter(omar)
    await visitor.say('Before')
    await goOffline(visitor)
    await seen(visitor.list.getByRole('status').getByText('You are offline.'))
    for (let n = 1; n <= 3; n++) await post(lena, `Missed ${n}`)
    await visitor.context.setOffline(false)
    await seen(visitor.message('Missed 3'))
    const line = visitor.page.getByRole('separator', { name: 'New messages' })
    await seen(line)
    const [above, below] = [await line.boundingBox(), await visitor.message('Missed 1').boundingBox()]
    expect(above?.y).toBeLessThan(below?.y ?? 0)
    await gone(visitor.row(lena.fullName).getByText('unread'))
  })

  test('coming back to the page reconnects at once', async () => {
    const { cluster, visit, omar, lena } = await pair(stage())
    const visitor = await visit(omar, { signedOut: true })
    await visitor.page.addInitScript((token) => {
      // The longest possible pauses: half a second, one, two, four, eight.
      Math.random = () => 0.999
      const parley = {
        away: true,
        tries: 0,
        getToken: async () => {
          parley.tries++
          if (parley.away) throw new Error('away')
          return token
        },
      }
      Object.assign(globalThis, { parley })
    }, cluster.token(omar))
    await visitor.page.reload()
    const tries = () => visitor.page.evaluate(() => Reflect.get(globalThis, 'parley').tries)
    await expect.poll(tries, { timeout: 30_000 }).toBe(5)
    const triedAtOnce = await visitor.page.evaluate(() => {
      const parley = Reflect.get(globalThis, 'parley')
      const before = parley.tries
      parley.away = false
      document.dispatchEvent(new Event('visibilitychange'))
      return parley.tries - before
    })
    expect(triedAtOnce).toBe(1)
    await seen(visitor.row(lena.fullName))
  })

  test('offline: actions fail with a message', async () => {
    const { goOffline, omar, enter } = await pair(stage(), { group: 'Harbour' })
    const visitor = await enter(omar)
    await visitor.button('Conversation details').click()
    const dialog = visitor.dialog('Conversation details')
    await dialog.getByRole('textbox', { name: 'Group name' }).fill('Harbour launch')
    await goOffline(visitor)
    await dialog.getByRole('button', { name: 'Save name' }).click()
    await seen(dialog.getByRole('alert').getByText('The server cannot be reached. Please try again.'))
  })

  test('on a phone, a conversation that has not loaded yet says why, and has a way back', async () => {
    const { omar, enter } = await pair(stage())
    const { defaultBrowserType: _, ...phone } = devices['iPhone SE'] ?? { defaultBrowserType: '' }
    const visitor = await enter(omar, phone)
    await visitor.intercept(/\/(api|socket\.io)\//, (route) => route.abort('connectionrefused'))
    await visitor.context.routeWebSocket(/\/socket\.io\//, (socket) => socket.close())
    await visitor.page.reload()
    const main = visitor.page.getByRole('main')
    await seen(main.getByRole('status').getByText(/You are offline|Connecting/))
    await main.getByRole('link', { name: 'Back to conversations' }).tap()
    await seen(visitor.list)
  })

  test('a gateway is killed: the other takes over without a reload, and nothing is lost or duplicated', async () => {
    const { cluster, omar, lena, id, enter } = await pair(stage())
    const [atOmars, atLenas] = [await enter(omar), await enter(lena, { gateway: 1 })]
    await atOmars.page.evaluate(() => Object.assign(globalThis, { sameDocument: true }))
    const texts = Array.from({ length: 12 }, (_, index) => `Line ${String(index + 1).padStart(2, '0')}`)
    const [gateway] = cluster.gateways
    for (const [index, text] of texts.entries()) {
      if (index === 5) await gateway?.kill('SIGKILL')
      await atOmars.composer.fill(text)
      await atOmars.composer.press('Enter')
    }
    for (const text of texts) await seen(atOmars.message(text).getByRole('img', { name: /Sent|Read/ }), 20_000)
    await seen(atLenas.message('Line 12'))
    const shown = (visitor: typeof atOmars) =>
      visitor.log
        .getByRole('article')
        .evaluateAll((all) => all.map((it) => /Line \d\d/.exec(it.textContent ?? '')?.[0]))
    expect(await shown(atOmars)).toEqual(texts)
    expect(await shown(atLenas)).toEqual(texts)
    expect((await page(cluster, omar, id)).data).toEqual(texts)
    expect(await atOmars.page.evaluate(() => 'sameDocument' in globalThis)).toBe(true)
    await gateway?.restart()
    await atLenas.say('And back')
    await seen(atOmars.message('And back'))
  })
}

/** Returns how many messages the page keeps until it is connected. */
function kept({ page }: Visitor): Promise<number> {
  return page.evaluate(async () => {
    const databases = await indexedDB.databases()
    // Opening the database would create it.
    if (!databases.some(({ name }) => name === 'parley-web')) return 0
    const result = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result)
        request.onerror = () => reject(request.error)
      })
    const database = await result(indexedDB.open('parley-web'))
    try {
      return await result(database.transaction('outbox').objectStore('outbox').count())
    } finally {
      database.close()
    }
  })
}

/** Returns a conversation’s messages on the server, oldest first. */
async function page(cluster: ReturnType<() => Stage>['cluster'], who: { id: string }, id: string) {
  const answer = await cluster.api(who.id).get<{ content: string }[]>(`/api/messages/conversations/${id}/messages`)
  return {
    data: dataOf(answer).map(({ content }) => content),
  }
}
