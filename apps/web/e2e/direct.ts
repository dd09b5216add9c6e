import { dataOf, direct, user } from '@parley/testkit'
import { expect, test } from 'vitest'
import { pair, someone } from './people.ts'
import type { Stage } from './stage.ts'
import { gone, seen } from './visitor.ts'

export function directTests(stage: () => Stage): void {
  test('two people on two gateways: a new chat, typing, messages, receipts and presence', async () => {
    const { cluster, visit } = stage()
    const [omar, lena] = [someone('Omar'), someone('Lena')]
    await cluster.register(omar, lena)
    const [atOmars, atLenas] = [await visit(omar, { gateway: 0 }), await visit(lena, { gateway: 1 })]

    await atOmars.button('New conversation').click()
    const dialog = atOmars.dialog('New conversation')
    await dialog.getByRole('searchbox', { name: 'Search people' }).fill(lena.fullName.toLowerCase().slice(0, -2))
    await dialog.getByRole('checkbox', { name: lena.fullName }).first().check()
    await dialog.getByRole('button', { name: 'Start chat' }).click()
    await gone(dialog)

    // Typing is repeated every three seconds for those who have opened the conversation since.
    await seen(atLenas.row(omar.fullName))
    await atOmars.composer.fill('Good morning!')
    await seen(atLenas.row(omar.fullName).getByText('typing…'))
    await atOmars.composer.press('Enter')
    await seen(atOmars.message('Good morning!').getByRole('img', { name: 'Sent' }))
    await gone(atLenas.row(omar.fullName).getByText('typing…'))
    await seen(atLenas.row(omar.fullName).getByText('Good morning!'))
    await seen(atLenas.row(omar.fullName).getByText('1 unread'))
    await expect.poll(() => atLenas.page.title()).toMatch(/^\(1\)/)

    await atLenas.open(omar.fullName)
    await seen(atLenas.message('Good morning!'))
    await seen(atOmars.message('Good morning!').getByRole('img', { name: 'Read' }))
    await expect.poll(() => atLenas.row(omar.fullName).textContent()).not.toMatch(/unread/)
    await expect.poll(() => atLenas.page.title()).not.toMatch(/\(1\)/)

    await atLenas.composer.pressSequentially('Hello')
    await seen(atOmars.page.getByRole('main').getByText('Lena is typing…'))
    await atLenas.composer.press('Enter')
    await seen(atOmars.message('Hello'))

    const heading = atOmars.page.getByRole('main').getByRole('banner').or(atOmars.page.locator('main header'))
    await seen(heading.getByText('online'))
    await atLenas.context.close()
    await seen(heading.getByText(/last seen/i))
  })

  test('messages that arrived meanwhile are counted, marked by a line, and read by looking at them', async () => {
    const { cluster, visit, omar, lena, id, post } = await pair(stage())
    for (let n = 1; n <= 3; n++) await post(lena, `Message ${n}`)
    await post(omar, 'Read until here')
    for (let n = 4; n <= 6; n++) await post(lena, `Message ${n}`)
    const visitor = await visit(omar)
    await seen(visitor.row(lena.fullName).getByText('3 unread'))
    await visitor.open(lena.fullName)
    const line = visitor.page.getByRole('separator', { name: 'New messages' })
    await seen(line)
    const places = await Promise.all(
      [visitor.message('Read until here'), line, visitor.message('Message 4')].map((it) => it.boundingBox()),
    )
    expect(places.map((box) => box?.y ?? 0).toSorted((a, b) => a - b)).toEqual(places.map((box) => box?.y))
    await expect
      .poll(async () => dataOf(await cluster.api(omar).get(`/api/messages/conversations/${id}`)))
      .toMatchObject({
        unreadCount: 0,
      })
    await seen(line)
  })

  test('each message is announced to screen readers, even if its words repeat', async () => {
    const { omar, lena, enter, post } = await pair(stage())
    const visitor = await enter(omar)
    await visitor.page.evaluate(() => {
      const said: (string | null)[] = []
      Object.assign(globalThis, { said })
      const region = document.querySelector('main [aria-live="polite"]')
      if (region === null) throw new Error('nothing is announced')
      new MutationObserver(() => said.push(region.textContent)).observe(region, { childList: true, subtree: true })
    })
    const said = () => visitor.page.evaluate(() => Reflect.get(globalThis, 'said'))
    const words = `${lena.fullName}: ok`
    for (const expected of [[words], [words, words]]) {
      await post(lena, 'ok')
      await expect.poll(said).toEqual(expected)
    }
  })

  test('a draft is not shown to the next person in the same tab', async () => {
    const { cluster, omar, lena, enter } = await pair(stage())
    const visitor = await enter(omar)
    await visitor.composer.fill('begun by Omar')
    await visitor.page.reload()
    await expect.poll(() => visitor.composer.inputValue()).toBe('begun by Omar')
    await visitor.bringToken(cluster.token(lena))
    await visitor.page.reload()
    await seen(visitor.row(omar.fullName))
    expect(await visitor.composer.inputValue()).toBe('')
  })

  test('HTML and scripts in a message are shown as text, and URLs become safe links', async () => {
    const { omar, lena, enter, post } = await pair(stage(), { omar: user('Omar <b>Haddad</b>') })
    const hostile = [
      '<img src=x onerror="globalThis.hacked = 1"><script>globalThis.hacked = 1</script>',
      '<a href="javascript:globalThis.hacked=1">click</a> javascript:globalThis.hacked=1',
      '<svg onload="globalThis.hacked=1"></svg> &lt;b&gt;no entity&lt;/b&gt; {{1+1}}',
    ]
    for (const content of hostile) await post(omar, content)
    await post(omar, 'See https://example.com/a?b=1#c, and www.example.org.')
    const visitor = await enter(lena)
    for (const content of hostile) await seen(visitor.textOf(content))
    const links = visitor.log.getByRole('link')
    const found = await links.evaluateAll((all) =>
      all.map((link) => [link.getAttribute('href'), link.getAttribute('rel'), link.getAttribute('target')]),
    )
    expect(found[0]).toEqual(['https://example.com/a?b=1#c', expect.stringContaining('noopener'), '_blank'])
    for (const [href] of found) expect(href).toMatch(/^https?:\/\//)
    await seen(visitor.page.getByRole('heading', { level: 1, name: 'Omar <b>Haddad</b>' }))
    expect(await visitor.page.evaluate(() => 'hacked' in globalThis)).toBe(false)
  })

  test('right-to-left text is shown right to left', async () => {
    const { lena, enter } = await pair(stage(), { omar: user('عمر حداد') })
    const visitor = await enter(lena)
    // The title is next to the picture, not at the other end of the page.
    const title = await visitor.page.getByRole('heading', { level: 1, name: 'عمر حداد' }).boundingBox()
    expect(title?.width).toBeLessThan(200)
    await visitor.say('مرحبا! كيف حالك؟ 🙂')
    await visitor.say('Good, thanks')
    const directionOf = (text: string) => visitor.textOf(text).evaluate((it) => getComputedStyle(it).direction)
    expect(await directionOf('مرحبا! كيف حالك؟ 🙂')).toBe('rtl')
    expect(await directionOf('Good, thanks')).toBe('ltr')
  })

  test('a person whose picture cannot be loaded is shown by their initials', async () => {
    const profilePhoto = `${stage().addresses[0]}/icon.png`
    const { visit, omar, lena } = await pair(stage(), { lena: { ...user('Lena Xi'), profilePhoto } })
    const visitor = await visit(omar)
    await seen(visitor.row(lena.fullName))
    expect(await visitor.row(lena.fullName).getByText('LX').count()).toBe(0)
    await visitor.intercept('**/icon.png', (route) => route.fulfill({ status: 404 }))
    await visitor.page.reload()
    await seen(visitor.row(lena.fullName).getByText('LX'))
    expect(visitor.problems.splice(0)).toEqual([expect.stringContaining('status of 404')])
  })

  test('a message that is too long stays in the composer, says by how much, and is not sent', async () => {
    const { cluster, omar, id, enter } = await pair(stage())
    const visitor = await enter(omar)
    await visitor.composer.focus()
    await visitor.page.keyboard.insertText('x'.repeat(10_002))
    expect((await visitor.composer.inputValue()).length).toBe(10_002)
    await seen(visitor.page.getByRole('alert').getByText('Too long by 2 characters.'))
    expect(await visitor.button('Send').isDisabled()).toBe(true)
    await visitor.composer.press('Enter')
    for (let press = 0; press < 2; press++) await visitor.composer.press('Backspace')
    await visitor.composer.press('Enter')
    await seen(visitor.message('xxx').getByRole('img', { name: 'Sent' }))
    const { rows } = await cluster.sql.query('select length(content) from messages where conversation_id = $1', [id])
    expect(rows).toEqual([{ length: 10_000 }])
  })

  test('text that a word processor copies along with a picture of it is pasted as text', async () => {
    const { omar, enter } = await pair(stage())
    const visitor = await enter(omar)
    const left = await visitor.composer.evaluate((area) => {
      const clipboardData = new DataTransfer()
      clipboardData.setData('text/plain', 'boat\t3')
      clipboardData.setData('text/html', '<table><tr><td>boat<td>3</table>')
      clipboardData.items.add(new File(['a picture'], 'image.png', { type: 'image/png' }))
      return area.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }))
    })
    // Left to the browser, which inserts the text.
    expect(left).toBe(true)
    expect(await visitor.button('Remove image.png').count()).toBe(0)
  })

  test('the browser’s back button closes a dialog over a conversation', async () => {
    const { cluster, omar, lena, enter } = await pair(stage())
    const yuki = someone('Yuki')
    await direct(cluster, omar, yuki)
    const visitor = await enter(omar)
    await visitor.open(yuki.fullName)
    await visitor.button('Conversation details').click()
    await seen(visitor.page.getByRole('dialog'))
    await visitor.page.goBack()
    await gone(visitor.page.getByRole('dialog'))
    await seen(visitor.page.getByRole('heading', { level: 1, name: lena.fullName }))
  })

  test('"Today" becomes "Yesterday" at midnight, even without new messages', async () => {
    // A group, because nothing is refetched for it that would cause a render.
    const { omar, lena, enter, post } = await pair(stage(), { group: 'Harbour' })
    await post(lena, 'Good night')
    const visitor = await enter(omar)
    // A minute passes in a tenth of a second.
    await visitor.page.addInitScript(() => {
      const every = setInterval
      Object.assign(globalThis, { setInterval: (run: () => void, ms: number) => every(run, ms === 60_000 ? 100 : ms) })
    })
    await visitor.page.reload()
    const day = visitor.log.locator('time', { hasText: /^(Today|Yesterday)$/ })
    await expect.poll(() => day.textContent()).toBe('Today')
    await visitor.page.clock.setFixedTime(Date.now() + 86_400_000)
    await expect.poll(() => day.textContent()).toBe('Yesterday')
  })
}
