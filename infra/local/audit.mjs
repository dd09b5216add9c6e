/**
 * `npm run audit:dependencies`: asks the registry for known vulnerabilities in the production packages. Exits with 1 if any is
 * high or critical. If the registry does not answer, it says so and exits with 0: a check that could not run is not a pass, but
 * somebody else's outage is no fault of this repository. (Registries that refuse this endpoint refuse npm 10's older one, too.)
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ensureRuntime, pnpmEntry } from './bootstrap.mjs'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** Longer than pnpm keeps trying an unreachable registry. */
const BOUND_MS = 120_000
const SERIOUS = ['high', 'critical']

const { node } = await ensureRuntime({ log: (line) => console.log(line) })
const { out, err } = await output(node, [pnpmEntry(), 'audit', '--prod', '--json'])
const counts = countsOf(out)
const refusal = /ERR_PNPM_AUDIT_BAD_RESPONSE/.test(err)
if (counts !== undefined) {
  const found = Object.entries(counts).map(([severity, count]) => `${count} ${severity}`)
  console.log(`audit: ${found.join(', ')}`)
  if (SERIOUS.some((severity) => (counts[severity] ?? 0) > 0)) process.exitCode = 1
} else if (refusal) {
  const [, status] = /responded with (\d{3})/.exec(err) ?? []
  const reason = status === undefined ? 'the registry cannot be reached' : `the registry answered ${status}`
  console.log(`audit: NOT RUN, ${reason}; vulnerabilities are unknown`)
} else {
  console.log(`audit: failed\n${err}`)
  process.exitCode = 1
}

/** @param {string} json @returns {Record<string, number> | undefined} */
function countsOf(json) {
  try {
    return JSON.parse(json).metadata?.vulnerabilities
  } catch {
    return undefined
  }
}

/** @param {string} command @param {string[]} args @returns {Promise<{ out: string, err: string }>} whatever its exit code */
function output(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], timeout: BOUND_MS })
    const texts = { out: '', err: '' }
    child.stdout.on('data', (chunk) => {
      texts.out += chunk
    })
    child.stderr.on('data', (chunk) => {
      texts.err += chunk
    })
    child.once('error', (error) => resolve({ out: '', err: error.message }))
    child.once('close', () => resolve(texts))
  })
}
