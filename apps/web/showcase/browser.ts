import { findChromium } from '@parley/local/chromium'
import { type Browser, chromium } from 'playwright-core'

/** Launches this machine's Chrome or Chromium. */
export function launchBrowser(): Promise<Browser> {
  const executablePath = findChromium()
  if (executablePath === undefined) throw new Error('No Chrome or Chromium was found. Install one, or set CHROME_PATH.')
  return chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-quic', '--no-first-run', '--hide-scrollbars'],
  })
}
