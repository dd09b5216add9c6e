/**
 * Finds the browser for the web client's tests: this machine's Chrome or Chromium, or Debian's package, which is installed when
 * running as root on Debian. Plain JavaScript, because `npm test` needs it before packages are installed.
 */
import { spawn } from 'node:child_process'
import { accessSync, constants, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome', 'microsoft-edge']
const PLACES = [
  '/opt/google/chrome/chrome',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
]
const INSTALL_BOUND_MS = 5 * 60_000

/**
 * Returns the path of a browser's executable, or undefined if there is none.
 *
 * @param {Record<string, string | undefined>} env CHROME_PATH overrides the search
 * @returns {string | undefined}
 * @throws {Error} when CHROME_PATH is not an executable
 */
export function findChromium(env = process.env) {
  if (env.CHROME_PATH) {
    if (isProgram(env.CHROME_PATH)) return env.CHROME_PATH
    throw new Error(`CHROME_PATH is not an executable: ${env.CHROME_PATH}`)
  }
  const folders = (env.PATH ?? '').split(delimiter).filter(Boolean)
  return [...NAMES.flatMap((name) => folders.map((folder) => join(folder, name))), ...PLACES].find(isProgram)
}

/**
 * Finds a browser, or installs one if possible.
 *
 * @param {(line: string) => void} log
 * @returns {Promise<{ path: string } | { missing: string }>} its path, or why there is none and what to do
 */
export async function ensureChromium(log) {
  try {
    const found = findChromium()
    if (found) return { path: found }
  } catch (error) {
    return { missing: error.message }
  }
  const advice = 'Install Chrome or Chromium, or set CHROME_PATH to one.'
  if (!isDebian()) return { missing: `no Chrome or Chromium was found. ${advice}` }
  if (process.getuid?.() !== 0) {
    return { missing: `no Chrome or Chromium was found, and only root can install one. ${advice}` }
  }
  log('Installing Chromium (apt-get install chromium) ...')
  const install = ['install', '-y', '--no-install-recommends', 'chromium']
  // The package lists may be out of date, or missing, as in a fresh container.
  const failure = (await aptGet(install)) && ((await aptGet(['update'])) || (await aptGet(install)))
  const path = findChromium()
  if (path) return { path }
  return { missing: `no Chrome or Chromium was found, and apt-get could not install one: ${failure}. ${advice}` }
}

/** Runs apt-get. @param {string[]} args @returns {Promise<string>} empty, or the last line of output if it failed */
function aptGet(args) {
  return new Promise((resolve) => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const child = spawn('apt-get', args, { env, stdio: ['ignore', 'pipe', 'pipe'], timeout: INSTALL_BOUND_MS })
    let output = ''
    const collect = (chunk) => {
      output = (output + chunk).slice(-2_000)
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code) => resolve(code === 0 ? '' : (output.trim().split('\n').at(-1) ?? `exit code ${code}`)))
  })
}

/** Returns whether this is Debian itself: Ubuntu's package only installs a snap, which does not run in containers. */
function isDebian() {
  try {
    return /^ID=debian$/m.test(readFileSync('/etc/os-release', 'utf8'))
  } catch {
    return false
  }
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
