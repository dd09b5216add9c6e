/** `npm run web:speed`: how long the first list of conversations takes to be there, on a cluster of this machine. */
import { startDemoCluster } from '@parley/local/demo'
import type { Browser } from 'playwright-core'
import { launchBrowser } from './browser.ts'

const TRIES = 10

await using cluster = await startDemoCluster((line) => console.log(line))
const browser = await launchBrowser()
try {
  const cold: number[] = []
  const warm: number[] = []
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const [first, again] = await firstList(browser, cluster.address)
    cold.push(first)
    warm.push(again)
  }
  console.log(
    `\nFrom the request for the page to the list with its conversations, ${TRIES} visits by a signed-in person:`,
  )
  console.log(`  empty cache   ${describe(cold)}`)
  console.log(`  second visit  ${describe(warm)}`)
} finally {
  await browser.close()
}

/** Visits twice in a new browser profile; milliseconds until a conversation stands in the list. */
async function firstList(browser: Browser, address: string): Promise<[number, number]> {
  const context = await browser.newContext()
  try {
    const page = await context.newPage()
    await page.addInitScript(() => {
      const person = JSON.stringify({ id: 'ahmed', fullName: 'Ahmed Hassan' })
      sessionStorage.setItem('parley-demo-person', person)
    })
    const visit = async () => {
      await page.goto(address, { waitUntil: 'commit' })
      // The moment at which the row is drawn, by the page's own clock, which begins with the request.
      const handle = await page.waitForFunction(() =>
        document.querySelector('nav a[href^="#/c/"]') === null ? 0 : performance.now(),
      )
      return (await handle.jsonValue()) || Number.NaN
    }
    return [await visit(), await visit()]
  } finally {
    await context.close()
  }
}

function describe(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
  return `median ${at(0.5)} ms, slowest ${at(1)} ms`
}
