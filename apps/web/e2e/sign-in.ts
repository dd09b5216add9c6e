import { readFile } from 'node:fs/promises'
import { direct } from '@parley/testkit'
import { expect, test } from 'vitest'
import { pair, someone } from './people.ts'
import type { Stage } from './stage.ts'
import { seen } from './visitor.ts'

export function signInTests(stage: () => Stage): void {
  test('by clicking a demo person; the tab stays signed in after a reload; and signing out', async () => {
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

  test('with a token from a script on the page', async () => {
    const { visit, omar, lena } = await pair(stage())
    const visitor = await visit(omar)
    await seen(visitor.row(lena.fullName))
    expect(await visitor.button('Ahmed Hassan').count()).toBe(0)
  })

  test('in a frame: the embedding page, on another origin, provides a token as described in README.md', async () => {
    const { addresses, cluster, visit } = stage()
    const [chat, product] = addresses
    const [omar, lena] = [someone('Omar'), someone('Lena')]
    await direct(cluster, omar, lena)
    const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
    const [, block = ''] = /```html\n(.*?)```/s.exec(readme) ?? []
    const parent = block
      .replaceAll('https://chat.example.com', chat)
      .replace('fetchTokenFromYourServer()', JSON.stringify(cluster.token(omar)))
    const visitor = await visit(omar, { signedOut: true })
    const { page, context } = visitor
    // A separate host for dist/, as README.md describes: it lists the product's origin and allows it to frame the page.
    await context.route(`${chat}/`, async (route) => {
      const served = await route.fetch()
      const html = await served.text()
      await route.fulfill({
        body: html.replace('name="parley-embedders" content=""', `name="parley-embedders" content="${product}"`),
        headers: {
          'content-type': 'text/html',
          'content-security-policy': `frame-ancestors ${product}`,
        },
      })
    })
    await context.route(`${product}/product`, (route) =>
      route.fulfill({ contentType: 'text/html', body: `<!doctype html><title>Product</title>${parent}` }),
    )
    await page.goto(`${product}/product`)
    const frame = page.frameLocator('iframe')
    await seen(
      frame.getByRole('navigation', { name: 'Conversations' }).getByRole('link').filter({ hasText: lena.fullName }),
    )
  })

  test('with a token that the server refuses: the page says so, and the console says why', async () => {
    const visitor = await stage().visit(someone('Ines'), { signedOut: true })
    const said: string[] = []
    visitor.page.on('console', (message) => said.push(message.text()))
    await visitor.bringToken('nonsense')
    await visitor.page.reload()
    await seen(visitor.list.getByRole('status').getByText('Could not sign you in.'))
    expect(said).toContainEqual(expect.stringContaining('TOKEN_INVALID'))
  })

  test('the page has a strict Content-Security-Policy, and hashed files are cached forever', async () => {
    const { addresses, visit } = stage()
    const answer = await fetch(addresses[0])
    const policy = answer.headers.get('content-security-policy') ?? ''
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/)
    expect(policy).not.toMatch(/unsafe|\*/)
    const [, script = ''] = /<script type="module"[^>]* src="\.?([^"]+)"/.exec(await answer.text()) ?? []
    const file = await fetch(addresses[0] + script, { headers: { 'accept-encoding': 'br' } })
    expect(file.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect(file.headers.get('content-encoding')).toBe('br')
    // The policy is enforced: text does not become elements, and nothing is fetched from elsewhere.
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
