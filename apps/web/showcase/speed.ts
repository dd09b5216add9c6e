/** `npm run web:speed`: measures how long the chat takes to show its first list of conversations, on a local cluster. */
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
  console.log(`\nTime from requesting the page to showing the conversations, ${TRIES} visits by a signed-in person:`)
  console.log(`  empty cache   ${describe(cold)}`)
  console.log(`  second visit  ${describe(warm)}`)
} finally {
  await browser.close()
}

/** Visits twice in a new browser profile; returns the milliseconds until the list shows a conversation. */
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
      // When the row appears, by the page's own clock, which starts with the request.
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
