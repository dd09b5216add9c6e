/**
 * `npm run audit:dependencies`: asks the registry for known weaknesses of what production installs. Ends with 1 where one is
 * high or critical, and with a clear line and 0 where the registry does not answer: a check that was not made is not a pass,
 * but an outage of somebody else's is no fault of this tree.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ensureRuntime } from './bootstrap.mjs'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const BOUND_MS = 60_000
const SERIOUS = ['high', 'critical']

const { node } = await ensureRuntime({ log: (line) => console.log(line) })
const pnpm = fileURLToPath(new URL('../../.parley/runtime/node_modules/pnpm/bin/pnpm.mjs', import.meta.url))
const counts = countsOf(await output(node, [pnpm, 'audit', '--prod', '--json']))
if (counts === undefined) {
  console.log('audit: NOT MADE, the registry gave no answer about known weaknesses')
} else {
  const found = Object.entries(counts).map(([severity, count]) => `${count} ${severity}`)
  console.log(`audit: ${found.join(', ')}`)
  if (SERIOUS.some((severity) => (counts[severity] ?? 0) > 0)) process.exitCode = 1
}

/** @param {string} json @returns {Record<string, number> | undefined} */
function countsOf(json) {
  try {
    return JSON.parse(json).metadata?.vulnerabilities
  } catch {
    return undefined
  }
}

/** @param {string} command @param {string[]} args @returns {Promise<string>} what it writes; whatever its exit code */
function output(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'ignore'], timeout: BOUND_MS })
    let text = ''
    child.stdout.on('data', (chunk) => {
      text += chunk
    })
    child.once('error', () => resolve(''))
    child.once('close', () => resolve(text))
  })
}
