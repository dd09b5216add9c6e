import { expect, test } from 'vitest'
import { pair, someone } from './people.ts'
import type { Stage } from './stage.ts'
import { seen } from './visitor.ts'

export function signInTests(stage: () => Stage): void {
  test('by a click on a demo person; the tab stays signed in over a reload; and out again', async () => {
    const visitor = await stage().visit(someone('Ines'), { signedOut: true })
    const { page } = visitor
    await seen(page.getByRole('heading', { name: 'Parley' }))
    await visitor.button('Fatima Rahman').click()
    await seen(visitor.list)
    await page.reload()
    await seen(visitor.list)
    await visitor.button('Settings').click()
    await page.getByRole('menuitem', { name: 'Sign out' }).click()
    await seen(visitor.button('Ahmed Hassan'))
  })

  test('with a token that the page around it hands in', async () => {
    const { visit, omar, lena } = await pair(stage())
    const visitor = await visit(omar)
    await seen(visitor.row(lena.fullName))
    expect(await visitor.button('Ahmed Hassan').count()).toBe(0)
  })

  test('a token that the server refuses: the page says so, and the console why', async () => {
    const visitor = await stage().visit(someone('Ines'), { signedOut: true })
    const said: string[] = []
    visitor.page.on('console', (message) => said.push(message.text()))
    await visitor.bringToken('nonsense')
    await visitor.page.reload()
    await seen(visitor.list.getByRole('status').getByText('You could not be signed in.'))
    expect(said).toContainEqual(expect.stringContaining('TOKEN_INVALID'))
  })

  test('the page comes under the strict policy, and the files by their names for ever', async () => {
    const { addresses, visit } = stage()
    const answer = await fetch(addresses[0])
    const policy = answer.headers.get('content-security-policy') ?? ''
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/)
    expect(policy).not.toMatch(/unsafe|\*/)
    const [, script = ''] = /<script type="module"[^>]* src="\.?([^"]+)"/.exec(await answer.text()) ?? []
    const file = await fetch(addresses[0] + script, { headers: { 'accept-encoding': 'br' } })
    expect(file.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect(file.headers.get('content-encoding')).toBe('br')
    // That it is obeyed: text does not become elements, and nothing is fetched from elsewhere.
    const { page, problems } = await visit(someone('Ines'), { signedOut: true })
    const refused = await page.evaluate(async () => {
      const picture = new Image()
      const blocked = new Promise((resolve) => {
        picture.onerror = () => resolve('blocked')
      })
      picture.src = 'https://stranger.example/pixel.png'
      try {
        document.body.innerHTML = '<b>text</b>'
      } catch (error) {
        return [String(error), await blocked]
      }
      return []
    })
    expect(refused).toEqual([expect.stringContaining('TrustedHTML'), 'blocked'])
    expect(problems.splice(0).join()).toMatch(/img-src.*Content Security Policy|Content Security Policy.*img-src/)
  })
}
