import { dataOf, direct } from '@parley/testkit'
import { expect, test } from 'vitest'
import { someone } from './people.ts'
import type { Stage } from './stage.ts'
import { gone, seen } from './visitor.ts'

export function faultTests(stage: () => Stage): void {
  test('offline: it says so, keeps what is written, and sends it once when there is a network again', async () => {
    const { cluster, visit, goOffline } = stage()
    const [omar, lena] = [someone('Omar'), someone('Lena')]
    const { id } = await direct(cluster, omar, lena)
    const [atOmars, atLenas] = [await visit(omar, { gateway: 0 }), await visit(lena, { gateway: 1 })]
    await atOmars.open(lena.fullName)
    await atLenas.open(omar.fullName)
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

  test('what was written offline outlives a reload of the page', async () => {
    const { cluster, visit, goOffline } = stage()
    const [omar, lena] = [someone('Omar'), someone('Lena')]
    const { id } = await direct(cluster, omar, lena)
    const visitor = await visit(omar)
    await visitor.open(lena.fullName)
    await goOffline(visitor)
    await visitor.say('Kept over a reload')
    // The page can be had again, the cluster cannot yet.
    await visitor.context.route(/\/(api|socket\.io)\//, (route) => route.abort('connectionrefused'))
    await visitor.context.setOffline(false)
    await visitor.page.reload()
    await visitor.context.unroute(/\/(api|socket\.io)\//)
    await expect
      .poll(async () => (await page(cluster, omar, id)).data, { timeout: 20_000 })
      .toEqual(['Kept over a reload'])
  })

  test('what was written offline outlives a reload also where the browser had cleared its storage before', async () => {
    const { cluster, visit, goOffline } = stage()
    const [omar, lena] = [someone('Omar'), someone('Lena')]
    const { id } = await direct(cluster, omar, lena)
    const visitor = await visit(omar)
    await visitor.open(lena.fullName)
    await visitor.say('Kept and stored')
    await seen(visitor.message('Kept and stored').getByRole('img', { name: 'Sent' }))
    const session = await visitor.context.newCDPSession(visitor.page)
    await session.send('Storage.clearDataForOrigin', { origin: visitor.address, storageTypes: 'indexeddb' })
    await goOffline(visitor)
    await visitor.say('Kept over a reload')
    await visitor.context.setOffline(false)
    await visitor.page.reload()
    await expect
      .poll(async () => (await page(cluster, omar, id)).data, { timeout: 20_000 })
      .toEqual(['Kept and stored', 'Kept over a reload'])
  }, 40_000)

  test('offline: dialogs that were not opened before open all the same', async () => {
    const { cluster, visit, goOffline } = stage()
    const [omar, lena] = [someone('Omar'), someone('Lena')]
    await direct(cluster, omar, lena)
    const visitor = await visit(omar)
    await visitor.open(lena.fullName)
    await visitor.page.waitForLoadState('networkidle')
    await goOffline(visitor)
    for (const name of ['Search messages', 'Conversation details', 'New conversation']) {
      await visitor.button(name).click()
      await seen(visitor.page.getByRole('dialog', { name }))
      await visitor.page.keyboard.press('Escape')
      await gone(visitor.page.getByRole('dialog'))
    }
  })

  test('a gateway is killed in the middle: the other takes over, without a reload, and nothing is lost or doubled', async () => {
    const { cluster, visit } = stage()
    const [omar, lena] = [someone('Omar'), someone('Lena')]
    const { id } = await direct(cluster, omar, lena)
    const [atOmars, atLenas] = [await visit(omar, { gateway: 0 }), await visit(lena, { gateway: 1 })]
    await atOmars.open(lena.fullName)
    await atLenas.open(omar.fullName)
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

/** What the server has of a conversation, oldest first. */
async function page(cluster: ReturnType<() => Stage>['cluster'], who: { id: string }, id: string) {
  const answer = await cluster.api(who.id).get<{ content: string }[]>(`/api/messages/conversations/${id}/messages`)
  return {
    data: dataOf(answer).map(({ content }) => content),
  }
}
