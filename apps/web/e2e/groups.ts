import { user } from '@parley/testkit'
import type { Locator, Request } from 'playwright-core'
import { expect, test } from 'vitest'
import { pair, someone } from './people.ts'
import type { Stage } from './stage.ts'
import { gone, seen, type Visitor } from './visitor.ts'

export function groupTests(stage: () => Stage): void {
  const details = async (visitor: Visitor) => {
    await visitor.button('Conversation details').click()
    const dialog = visitor.dialog('Conversation details')
    await seen(dialog)
    return dialog
  }
  const close = async (visitor: Visitor) => {
    await visitor.page.keyboard.press('Escape')
    await gone(visitor.page.getByRole('dialog'))
  }

  const question = ({ page }: Visitor, name: string) =>
    page.getByRole('alertdialog', { name: `Remove ${name} from the group?` })
  const remove = async (visitor: Visitor, name: string) => {
    await visitor
      .dialog('Conversation details')
      .getByRole('button', { name: `Remove ${name}` })
      .click()
    await question(visitor, name).getByRole('button', { name: 'Remove' }).click()
  }

  test('a group is created, renamed, joined, read by some and by everyone, and left', async () => {
    const { cluster, visit } = stage()
    const [omar, lena, yuki] = [someone('Omar'), someone('Lena'), someone('Yuki')]
    await cluster.register(omar, lena, yuki)
    const [atOmars, atLenas] = [await visit(omar, { gateway: 0 }), await visit(lena, { gateway: 1 })]
    await atOmars.button('New conversation').click()
    const making = atOmars.dialog('New conversation')
    for (const { fullName: name } of [lena, yuki]) {
      await making.getByRole('searchbox', { name: 'Search people' }).fill(name)
      await making.getByRole('checkbox', { name }).first().check()
    }
    await making.getByRole('textbox', { name: 'Group name' }).fill('Harbour')
    await making.getByRole('button', { name: 'Create group' }).click()
    await seen(atOmars.page.getByRole('heading', { level: 1, name: 'Harbour' }))
    await atLenas.open('Harbour')
    await atOmars.say('Welcome')
    await seen(atLenas.message('Welcome'))
    const mark = atOmars.message('Welcome').getByRole('button', { name: 'Read by 1' })
    await mark.click()
    await seen(atOmars.page.getByRole('dialog').getByText(lena.fullName))
    await atOmars.page.keyboard.press('Escape')

    const dialog = await details(atOmars)
    await dialog.getByRole('textbox', { name: 'Group name' }).fill('Harbour launch')
    await dialog.getByRole('button', { name: 'Save name' }).click()
    await seen(atLenas.page.getByRole('heading', { level: 1, name: 'Harbour launch' }))
    await remove(atOmars, yuki.fullName)
    await gone(dialog.getByRole('list', { name: 'Members' }).getByText(yuki.fullName))
    await seen(atOmars.message('Welcome').locator('[aria-label="Read by everyone"]'))

    await dialog.getByRole('button', { name: 'Add people' }).click()
    const adding = atOmars.dialog('Add people')
    await adding.getByRole('searchbox', { name: 'Search people' }).fill(yuki.fullName)
    await adding.getByRole('checkbox', { name: yuki.fullName }).first().check()
    await adding.getByRole('button', { name: 'Add', exact: true }).click()
    await seen(dialog.getByRole('list', { name: 'Members' }).getByText(yuki.fullName))
    await remove(atOmars, lena.fullName)
    await gone(atLenas.row('Harbour launch'))
    await seen(atLenas.page.getByText('you are no longer in it'))
  })

  test('removing somebody asks first; the keyboard can answer, and the focus returns', async () => {
    const { omar, lena, enter } = await pair(stage(), { group: 'Harbour' })
    const visitor = await enter(omar)
    const { keyboard } = visitor.page
    const dialog = await details(visitor)
    const member = dialog.getByRole('list', { name: 'Members' }).getByText(lena.fullName)
    const button = dialog.getByRole('button', { name: `Remove ${lena.fullName}` })
    const asked = question(visitor, lena.fullName)
    const cancel = asked.getByRole('button', { name: 'Cancel' })
    for (const key of ['Escape', 'Enter']) {
      await button.press('Enter')
      await expect.poll(() => hasFocus(cancel)).toBe(true)
      await keyboard.press(key)
      await gone(asked)
      await expect.poll(() => hasFocus(button)).toBe(true)
      await seen(member)
    }
    await button.press('Enter')
    await expect.poll(() => hasFocus(cancel)).toBe(true)
    // Only the removal must fail, not other requests about members.
    const removals: Request[] = []
    await visitor.intercept(/\/participants\//, (route) => {
      const isRemoval = route.request().method() === 'DELETE'
      return isRemoval && removals.push(route.request()) === 1 ? route.abort('connectionrefused') : route.fallback()
    })
    await keyboard.press('Tab')
    await expect.poll(() => hasFocus(asked.getByRole('button', { name: 'Remove' }))).toBe(true)
    await keyboard.press('Enter')
    await expect.poll(() => removals.length).toBe(1)
    await seen(asked.getByRole('alert'))
    await keyboard.press('Enter')
    await gone(asked)
    await gone(member)
    // The button that asked is gone.
    await expect.poll(() => dialog.evaluate((it) => it.contains(document.activeElement))).toBe(true)
  })

  test('the search for people says if there are more than it shows', async () => {
    const { cluster, visit } = stage()
    const omar = someone('Omar')
    const { fullName } = someone('Lena')
    await cluster.register(omar, ...Array.from({ length: 31 }, (_, n) => user(`${fullName} ${n}`)))
    const visitor = await visit(omar)
    await visitor.button('New conversation').click()
    const dialog = visitor.dialog('New conversation')
    const status = dialog.getByRole('status')
    const box = dialog.getByRole('searchbox', { name: 'Search people' })
    await box.fill(fullName)
    await expect.poll(() => status.textContent()).toBe('Showing the first 30. Type more of the name to find others.')
    expect(await dialog.getByRole('checkbox').count()).toBe(30)
    await box.fill(`${fullName} 30`)
    await expect.poll(() => dialog.getByRole('checkbox').count()).toBe(1)
    expect(await status.textContent()).toBe('')
    await box.fill(`${fullName} 31`)
    await expect.poll(() => status.textContent()).toBe('Nobody found.')
    await box.fill(omar.fullName)
    await expect.poll(() => status.textContent()).toBe('Nobody else found.')
  })

  test('a muted group counts quietly; a group that was left is gone from the list', async () => {
    const { cluster, omar, lena, enter, post } = await pair(stage(), { group: 'Harbour' })
    const visitor = await enter(lena)
    const dialog = await details(visitor)
    await dialog.getByRole('button', { name: 'Mute' }).click()
    await visitor.page.getByRole('menuitem', { name: 'For 8 hours' }).click()
    await seen(dialog.getByRole('button', { name: 'Unmute' }))
    // The button that had the focus is gone.
    await expect.poll(() => dialog.evaluate((it) => it.contains(document.activeElement))).toBe(true)
    const { rows } = await cluster.sql.query(
      'select muted_until > now() as muted from participants where user_id = $1',
      [lena.id],
    )
    expect(rows).toEqual([{ muted: true }])
    await close(visitor)
    await seen(visitor.row('Harbour').getByText('muted'))
    await visitor.page.goto(`${visitor.address}/#/`)
    await post(omar, 'Anybody here?')
    await seen(visitor.row('Harbour').getByText('1 unread'))
    expect(await visitor.page.title()).toBe('Parley')
    await visitor.open('Harbour')

    await (await details(visitor)).getByRole('button', { name: 'Leave group' }).click()
    await visitor.page.getByRole('alertdialog').getByRole('button', { name: 'Leave', exact: true }).click()
    await gone(visitor.row('Harbour'))
    await gone(visitor.page.getByRole('dialog'))
    expect(await visitor.page.getByRole('heading', { level: 1, name: 'Harbour' }).count()).toBe(0)
  })

  test('Enter chooses people and does not submit the form', async () => {
    const { cluster, visit } = stage()
    const [omar, lena, yuki] = [someone('Omar'), someone('Lena'), someone('Yuki')]
    await cluster.register(omar, lena, yuki)
    const visitor = await visit(omar)
    await visitor.button('New conversation').click()
    const dialog = visitor.dialog('New conversation')
    const box = dialog.getByRole('searchbox', { name: 'Search people' })
    for (const { fullName: name } of [lena, yuki]) {
      await box.fill(name)
      // Before the search has started.
      await box.press('Enter')
      await seen(dialog.getByRole('list', { name: 'Chosen people' }).getByText(name))
      expect(await box.inputValue()).toBe('')
    }
    await seen(dialog.getByRole('button', { name: 'Create group' }))
  })
}

function hasFocus(control: Locator): Promise<boolean> {
  return control.evaluate((it) => it === document.activeElement)
}
