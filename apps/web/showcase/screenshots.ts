/** `npm run screenshots`: takes the pictures in docs/images, of a separate cluster with the demo conversations. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startDemoCluster } from '@parley/local/demo'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { launchBrowser } from './browser.ts'

const FOLDER = fileURLToPath(new URL('../../../docs/images/', import.meta.url))
const QUALITY = 82
/** Size limit of a picture, because the README shows all of them, on phones too. */
const MOST_BYTES = 150_000

const WIDE: BrowserContextOptions = { viewport: { width: 1_180, height: 760 }, deviceScaleFactor: 1.5 }
const PHONE: BrowserContextOptions = {
  viewport: { width: 390, height: 780 },
  deviceScaleFactor: 1.5,
  isMobile: true,
  hasTouch: true,
}

await using cluster = await startDemoCluster((line) => console.log(line))
const browser = await launchBrowser()
try {
  await mkdir(FOLDER, { recursive: true })
  await photograph(browser, cluster.address)
} finally {
  await browser.close()
}

async function photograph(browser: Browser, address: string): Promise<void> {
  // Three people online, so that the chat does not look deserted.
  const [fatimas, kwames] = [
    await signedIn(browser, address, 'Fatima Rahman'),
    await signedIn(browser, address, 'Kwame Mensah'),
  ]
  await open(kwames, 'Harbour launch')
  await open(fatimas, 'Stand-up')
  const ahmeds = await signedIn(browser, address, 'Ahmed Hassan', { ...WIDE, colorScheme: 'light' })
  await open(ahmeds, 'Harbour launch')
  const poster = ahmeds.getByRole('log').getByRole('button', { name: 'View harbour-poster.png' })
  await ahmeds.getByRole('log').hover()
  for (let turn = 0; turn < 20 && (await poster.count()) === 0; turn++) {
    await ahmeds.mouse.wheel(0, -300)
    await ahmeds.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))))
  }
  await poster.scrollIntoViewIfNeeded()
  await poster.locator('img[data-loaded="true"]').waitFor()
  await kwames.getByRole('textbox', { name: 'Message' }).pressSequentially('See you')
  await ahmeds.getByText('Kwame is typing…').first().waitFor()
  await take(ahmeds, 'chat-light')

  const dark = await signedIn(browser, address, 'Ahmed Hassan', { ...WIDE, colorScheme: 'dark' })
  await open(dark, 'Fatima Rahman')
  await dark.getByRole('log').getByText('The birds are decoration!').waitFor()
  await take(dark, 'chat-dark')

  await dark.getByRole('button', { name: 'Search messages' }).click()
  await dark.getByRole('dialog').getByRole('searchbox').fill('harbour')
  await dark.getByRole('dialog').locator('mark').first().waitFor()
  await take(dark, 'search-dark')

  const phone = await signedIn(browser, address, 'Fatima Rahman', { ...PHONE, colorScheme: 'light' })
  await take(phone, 'phone-list')
  await open(phone, 'عشاء الجمعة')
  await take(phone, 'phone-chat')
}

async function signedIn(
  browser: Browser,
  address: string,
  name: string,
  options: BrowserContextOptions = WIDE,
): Promise<Page> {
  const context = await browser.newContext({ locale: 'en-GB', reducedMotion: 'reduce', ...options })
  const page = await context.newPage()
  await page.goto(address)
  await page.getByRole('button', { name }).click()
  await page.getByRole('navigation', { name: 'Conversations' }).getByRole('link').first().waitFor()
  return page
}

async function open(page: Page, title: string): Promise<void> {
  await page.getByRole('navigation', { name: 'Conversations' }).getByRole('link').filter({ hasText: title }).click()
  await page.getByRole('log').getByRole('article').first().waitFor()
}

/** Takes a screenshot as WebP, a third of the size of a PNG. Playwright's own API cannot, so this uses CDP. */
async function take(page: Page, name: string): Promise<void> {
  // Wait for pictures and fonts.
  await page.waitForLoadState('networkidle')
  await page.evaluate(() => document.fonts.ready)
  // Wait until the floating date, shown while the history scrolls, has faded.
  await page.locator('[aria-hidden="true"][data-shown="true"]').waitFor({ state: 'detached' })
  await page.evaluate(async () => {
    const fading = document.getAnimations().filter((animation) => animation instanceof CSSTransition)
    await Promise.allSettled(fading.map(({ finished }) => finished))
  })
  const session = await page.context().newCDPSession(page)
  const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality: QUALITY })
  const picture = Buffer.from(data, 'base64')
  if (picture.length > MOST_BYTES) throw new Error(`${name} has ${picture.length} bytes; the limit is ${MOST_BYTES}.`)
  await writeFile(join(FOLDER, `${name}.webp`), picture)
  console.log(`docs/images/${name}.webp  ${Math.round(picture.length / 1_024)} KB`)
}
