import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { direct, user } from '@parley/testkit'
import { devices } from 'playwright-core'
import { expect, test } from 'vitest'
import { pair } from './people.ts'
import { solidPng } from './pictures.ts'
import type { Stage } from './stage.ts'
import { gone, seen, type Visitor } from './visitor.ts'

export function looksTests(stage: () => Stage): void {
  test('dark by choice and by the system’s setting; the choice is kept', async () => {
    const { omar, enter } = await pair(stage())
    const visitor = await enter(omar, { colorScheme: 'light' })
    expect(await brightness(visitor)).toBeGreaterThan(200)
    await visitor.button('Settings').click()
    await visitor.page.getByRole('menuitemradio', { name: 'Dark' }).click()
    await expect.poll(() => brightness(visitor)).toBeLessThan(60)
    await visitor.page.reload()
    await seen(visitor.composer)
    expect(await brightness(visitor)).toBeLessThan(60)
    await visitor.button('Settings').click()
    await visitor.page.getByRole('menuitemradio', { name: 'System' }).click()
    await expect.poll(() => brightness(visitor)).toBeGreaterThan(200)
    await visitor.page.emulateMedia({ colorScheme: 'dark' })
    await expect.poll(() => brightness(visitor)).toBeLessThan(60)
  })

  test('on a phone: the list or a conversation, nothing wider than the screen, and back', async () => {
    const { visit, omar, lena } = await pair(stage())
    const { defaultBrowserType: _, ...phone } = devices['iPhone SE'] ?? { defaultBrowserType: '' }
    const visitor = await visit(omar, phone)
    await seen(visitor.row(lena.fullName))
    await expectNoSidewaysScroll(visitor)
    await visitor.open(lena.fullName)
    await gone(visitor.list)
    // Where screen readers continue; focusing the composer would open the keyboard.
    await expect.poll(() => focused(visitor)).toBe(lena.fullName)
    await visitor.composer.fill(`A long one: ${'abcdefghij'.repeat(30)} https://example.com/${'path/'.repeat(30)}`)
    await visitor.button('Send').tap()
    await seen(visitor.message('A long one'))
    await expectNoSidewaysScroll(visitor)
    await visitor.button('Conversation details').tap()
    await seen(visitor.page.getByRole('dialog'))
    await expectNoSidewaysScroll(visitor)
    await visitor.button('Close').tap()
    await visitor.page.getByRole('link', { name: 'Back to conversations' }).tap()
    await seen(visitor.row(lena.fullName))
    await gone(visitor.page.getByRole('heading', { level: 1, name: lena.fullName }))
    await expect.poll(() => focused(visitor)).toContain(lena.fullName)
  })

  test('on a phone: axe finds nothing in the list or a conversation, each of which has one h1', async () => {
    const { visit, omar, lena, post } = await pair(stage())
    await post(lena, 'Hello!')
    const { defaultBrowserType: _, ...phone } = devices['iPhone SE'] ?? { defaultBrowserType: '' }
    const visitor = await visit(omar, { ...phone, bypassCSP: true, reducedMotion: 'reduce' })
    const headings = visitor.page.getByRole('heading', { level: 1 })
    await seen(visitor.row(lena.fullName))
    expect(await headings.allTextContents()).toEqual(['Chats'])
    expect(await findings(visitor)).toEqual([])
    await visitor.open(lena.fullName)
    await seen(visitor.message('Hello!'))
    expect(await headings.allTextContents()).toEqual([lena.fullName])
    expect(await findings(visitor)).toEqual([])
  })

  test('the longest names push nothing out of a dialog', async () => {
    const long = user('W'.repeat(200))
    const { omar, enter } = await pair(stage(), { lena: long, group: 'G'.repeat(200) })
    const visitor = await enter(omar)
    const { page } = visitor
    const pushedOut = (name: string) =>
      visitor.dialog(name).evaluate((dialog) => {
        const { left, right } = dialog.getBoundingClientRect()
        const boxes = Array.from(dialog.querySelectorAll('*'), (it) => it.getBoundingClientRect())
        return boxes.filter((box) => box.left < left || box.right > right).length
      })
    await visitor.button('Conversation details').click()
    await seen(visitor.button(`Remove ${long.fullName}`))
    expect(await pushedOut('Conversation details')).toBe(0)
    await page.keyboard.press('Escape')
    await visitor.button('New conversation').click()
    await page.getByRole('searchbox', { name: 'Search people' }).fill(long.fullName.slice(0, 50))
    await page.getByRole('checkbox', { name: long.fullName }).first().check()
    expect(await pushedOut('New conversation')).toBe(0)
  })

  test('the longest name takes one line above a message', async () => {
    const long = user('W'.repeat(200))
    const { omar, enter, post } = await pair(stage(), { lena: long, group: 'Harbour' })
    await post(long, 'Hello')
    const visitor = await enter(omar, { viewport: { width: 360, height: 640 } })
    const name = visitor.message('Hello').getByText(long.fullName)
    await seen(name)
    const [height, line] = await name.evaluate((it) => [
      it.clientHeight,
      Number.parseFloat(getComputedStyle(it).fontSize),
    ])
    expect(height).toBeLessThan(2 * (line ?? 0))
    await expectNoSidewaysScroll(visitor)
  })

  test('the placeholder fits into the composer on a narrow phone, whatever the conversation’s name', async () => {
    const { omar, enter } = await pair(stage(), { lena: user('W'.repeat(200)) })
    const visitor = await enter(omar, { viewport: { width: 320, height: 640 }, isMobile: true, hasTouch: true })
    const [wanted = 0, there = 0] = await visitor.composer.evaluate((area) => {
      const { font, paddingLeft, paddingRight } = getComputedStyle(area)
      const context = new OffscreenCanvas(1, 1).getContext('2d')
      if (context === null) throw new Error('no canvas')
      context.font = font
      const { width } = context.measureText(area.getAttribute('placeholder') ?? '')
      return [width, area.clientWidth - Number.parseFloat(paddingLeft) - Number.parseFloat(paddingRight)]
    })
    expect(wanted).toBeGreaterThan(0)
    expect(wanted).toBeLessThanOrEqual(there)
    await expectNoSidewaysScroll(visitor)
  })

  test('a filter that finds nothing says so, also to screen readers', async () => {
    const { omar, lena, enter } = await pair(stage())
    const visitor = await enter(omar)
    const said = visitor.list.getByRole('status').filter({ hasText: 'No matching conversations.' })
    const box = visitor.page.getByRole('searchbox', { name: 'Filter conversations' })
    await seen(visitor.row(lena.fullName))
    // A live region is announced only if it existed before its text: this one did.
    const regions = await visitor.list.getByRole('status').count()
    await box.fill('nobody is called this')
    await seen(said)
    expect(await visitor.list.getByRole('status').count()).toBe(regions)
    await box.fill(lena.fullName)
    await gone(said)
  })

  test('code in a message is monospaced and stays within the bubble', async () => {
    const { omar, enter } = await pair(stage())
    const visitor = await enter(omar, { viewport: { width: 320, height: 640 } })
    await visitor.composer.fill(`Run \`npm start\`:\n\`\`\`\n${'const harbour = 1 '.repeat(9)}\n\`\`\``)
    await visitor.button('Send').click()
    const code = visitor.message('Run').locator('code')
    await seen(visitor.message('Run').getByRole('img', { name: 'Sent' }))
    expect(await code.count()).toBe(2)
    expect(await code.first().textContent()).toBe('npm start')
    for (const one of await code.all()) {
      expect(await one.evaluate((it) => getComputedStyle(it).fontFamily)).toContain('monospace')
    }
    const overhang = (it: Element) => it.scrollWidth - it.clientWidth
    expect(await code.last().evaluate(overhang)).toBe(0)
    await expectNoSidewaysScroll(visitor)
  })

  test('code is shown without its backticks in the list and in search results, too', async () => {
    const { omar, lena, enter, post, indexed } = await pair(stage())
    await post(lena, 'Run `npm start`:\n```sh\nnpm test\n```')
    const visitor = await enter(omar)
    await seen(visitor.row(lena.fullName).getByText('Run npm start: npm test', { exact: true }))
    await indexed(omar, 'npm start', 1)
    await visitor.button('Search messages').click()
    const dialog = visitor.dialog('Search messages')
    await dialog.getByRole('searchbox').fill('npm start')
    const result = dialog.getByRole('link').filter({ hasText: 'Run npm start: npm test' })
    await seen(result)
    expect(await result.locator('mark').allTextContents()).toEqual(['npm', 'start', 'npm'])
  })

  test('with only the keyboard: choose a conversation, write, search, and open and close the details', async () => {
    const { visit, omar, lena } = await pair(stage())
    const visitor = await visit(omar)
    const { page } = visitor
    await seen(visitor.row(lena.fullName))
    await tabTo(visitor, visitor.row(lena.fullName))
    await page.keyboard.press('Enter')
    await seen(visitor.composer)
    await expect.poll(() => visitor.composer.evaluate((it) => it === document.activeElement)).toBe(true)
    await page.keyboard.type('First line')
    await page.keyboard.press('Shift+Enter')
    await page.keyboard.type('second line')
    await page.keyboard.press('Enter')
    await seen(visitor.message('First line'))

    await tabTo(visitor, visitor.button('Conversation details'), 'Shift+Tab')
    await page.keyboard.press('Enter')
    const dialog = visitor.dialog('Conversation details')
    await seen(dialog)
    for (let press = 0; press < 10; press++) {
      await page.keyboard.press('Tab')
      // At the edges the focus is on guards that belong to neither.
      expect(await page.evaluate(() => document.activeElement?.closest('nav, main') ?? null)).toBe(null)
    }
    await page.keyboard.press('Escape')
    await gone(dialog)
    await expect
      .poll(() => visitor.button('Conversation details').evaluate((it) => it === document.activeElement))
      .toBe(true)
  })

  test('Enter that ends a composition does not send, not even in Safari', async () => {
    const { omar, enter } = await pair(stage())
    const visitor = await enter(omar)
    await visitor.composer.fill('にほん')
    // What Safari reports for the key after `compositionend`.
    await visitor.composer.evaluate((area) =>
      area.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true, cancelable: true })),
    )
    expect(await visitor.composer.inputValue()).toBe('にほん')
    await visitor.composer.press('Enter')
    await seen(visitor.message('にほん'))
  })

  test.each(['light', 'dark'] as const)('axe finds nothing serious, %s', async (colorScheme) => {
    const { cluster, visit, omar, lena, post } = await pair(stage(), { group: 'Harbour' })
    await direct(cluster, omar, lena)
    await post(lena, 'Hello! See https://example.com/harbour')
    await post(omar, 'مرحبا')
    await post(lena, 'And again')
    // axe is injected as a script, which the page’s policy would block.
    const visitor = await visit(omar, { colorScheme, bypassCSP: true, reducedMotion: 'reduce' })
    await seen(visitor.row('Harbour'))
    const found: Record<string, string[]> = { list: await seriousFindings(visitor) }
    await visitor.open('Harbour')
    await visitor.attach([
      { name: 'harbour.png', mimeType: 'image/png', buffer: solidPng(40, 30) },
      { name: 'boats.csv', mimeType: 'text/csv', buffer: Buffer.from('name,count\nboat,3\n') },
    ])
    await visitor.composer.fill('A picture')
    await visitor.button('Send').click()
    await seen(visitor.log.getByRole('button', { name: 'View harbour.png' }))
    await seen(visitor.log.getByRole('link', { name: 'Download boats.csv' }))
    found.conversation = await seriousFindings(visitor)
    for (const [button, name] of [
      ['Conversation details', 'Conversation details'],
      ['New conversation', 'New conversation'],
      ['Search messages', 'Search messages'],
    ] as const) {
      await visitor.button(button).click()
      await seen(visitor.dialog(name))
      found[name] = await seriousFindings(visitor)
      await visitor.page.keyboard.press('Escape')
      await gone(visitor.page.getByRole('dialog'))
    }
    await visitor.button('Conversation details').click()
    await visitor.button(`Remove ${lena.fullName}`).click()
    await seen(visitor.page.getByRole('alertdialog'))
    found.question = await seriousFindings(visitor)
    await visitor.page.keyboard.press('Escape')
    await gone(visitor.page.getByRole('alertdialog'))
    await visitor.page.keyboard.press('Escape')
    await gone(visitor.page.getByRole('dialog'))
    await visitor.button('Settings').click()
    await seen(visitor.page.getByRole('menu'))
    found.settings = await seriousFindings(visitor)
    expect(found).toEqual(Object.fromEntries(Object.keys(found).map((view) => [view, []])))
  })
}

/** Returns the mean brightness of the page's background, 0 to 255. */
async function brightness({ page }: Visitor): Promise<number> {
  const picture = await page.evaluate(() => {
    const canvas = new OffscreenCanvas(1, 1)
    const context = canvas.getContext('2d')
    if (context === null) throw new Error('no canvas')
    context.fillStyle = getComputedStyle(document.body).backgroundColor
    context.fillRect(0, 0, 1, 1)
    return [...context.getImageData(0, 0, 1, 1).data]
  })
  const [red = 0, green = 0, blue = 0] = picture
  return (red + green + blue) / 3
}

/** Returns the text of the focused element. */
function focused({ page }: Visitor): Promise<string | null> {
  return page.evaluate(() => document.activeElement?.textContent ?? null)
}

async function expectNoSidewaysScroll({ page }: Visitor): Promise<void> {
  const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
  expect(content).toBeLessThanOrEqual(screen ?? 0)
}

/** Presses Tab until the control is focused. */
async function tabTo({ page }: Visitor, control: ReturnType<Visitor['row']>, key = 'Tab'): Promise<void> {
  for (let press = 0; press < 40; press++) {
    await page.keyboard.press(key)
    if (await control.evaluate((it) => it === document.activeElement)) return
  }
  throw new Error(`${control} was not reached by ${key}`)
}

const axeSource = readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Returns what axe finds: the rule and the elements. */
async function findings({ page }: Visitor, impacts?: readonly string[]): Promise<string[]> {
  await page.evaluate(await axeSource)
  // Wait for transitions to end.
  await page.evaluate(() => Promise.allSettled(document.getAnimations().map((animation) => animation.finished)))
  return page.evaluate(async (impacts) => {
    const { axe } = globalThis as unknown as { axe: typeof import('axe-core') }
    const { violations } = await axe.run(document)
    return violations
      .filter(({ impact }) => impacts === undefined || impacts.includes(impact ?? ''))
      .flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target} ${failureSummary}`))
  }, impacts)
}

/** Returns only those findings of axe that keep somebody from using the page. */
function seriousFindings(visitor: Visitor): Promise<string[]> {
  return findings(visitor, ['serious', 'critical'])
}
