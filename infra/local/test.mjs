/**
 * `npm test`: installs what is missing, then lints, checks types and runs all tests. Its last line is `N passed, N failed`, in
 * which lint and type check count as one each. Arguments are passed to Vitest: `npm test -- gateway`.
 * Plain JavaScript without dependencies, because it runs before packages are installed and under Node 20 or later.
 */
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureRuntime, SetupError } from './bootstrap.mjs'
import { ensureChromium } from './chromium.mjs'
import { countTests } from './counts.mjs'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** Time limit for one step, in case it hangs; all of them together take a quarter of an hour. Milliseconds. */
const STEP_BOUND_MS = 25 * 60_000
/** The tests that need a browser. */
const BROWSER_TESTS = 'apps/web/e2e/browser.test.ts'

/** @type {Set<import('node:child_process').ChildProcess>} */
const children = new Set()

/** After a signal the running step is stopped and no other is started. A second signal ends this process at once. */
let interrupted = false
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.once(signal, () => {
    interrupted = true
    for (const child of children) child.kill(signal)
  })
}

const USAGE = `npm test -- [PART OF A PATH ...] [OPTION OF VITEST ...]

Lints, checks types, and runs all tests, or only those whose path contains one of the parts: npm test -- gateway

Environment variables:

  CHROME_PATH    the Chrome or Chromium to run the browser tests in
  CI             if set, browser tests that cannot run count as a failure
  TEST_SERVICES  set to "containers" to run Postgres, Redis and S3 in containers`

const given = process.argv.slice(2)
if (given.includes('--help')) {
  console.log(USAGE)
  process.exit()
}
process.exitCode = (await main(given)) === 0 ? 0 : 1

/** @param {string[]} args @returns {Promise<number>} the number of failures */
async function main(args) {
  const runtime = await ensureRuntime({ log: (line) => console.log(line) }).catch((error) => {
    console.error(error instanceof SetupError ? error.message : error)
  })
  if (!runtime) return summary(0, 1)
  const { node } = runtime
  const path = [await pnpmOnPath(node), runtime.env.PATH].join(delimiter)
  const env = { ...runtime.env, PATH: path, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' }
  const checks = [
    await check('lint', node, ['node_modules/@biomejs/biome/bin/biome', 'check', '.'], env),
    await check(
      'typecheck',
      node,
      ['node_modules/turbo/bin/turbo', 'run', 'typecheck', '--output-logs=errors-only'],
      env,
    ),
  ]
  const browser = selects(args, BROWSER_TESTS) ? await ensureChromium(console.log) : { path: '' }
  const missing = 'missing' in browser ? `browser tests: not run, ${browser.missing}` : undefined
  // In CI, tests that cannot run count as failed.
  if (missing && process.env.CI) checks.push(false)
  const selected = missing ? [...args, '--exclude', BROWSER_TESTS] : args
  const tests = await runTests(node, selected, env)
  if (missing) console.log(missing)
  const passed = checks.filter(Boolean).length
  return summary(passed + tests.passed, checks.length - passed + tests.failed)
}

/**
 * Creates a `pnpm` executable: Turbo expects one on the PATH, and the fetched pnpm has none without its install script.
 * @param {string} node @returns {Promise<string>} the folder to put on the PATH
 */
async function pnpmOnPath(node) {
  const runtime = join(ROOT, '.parley', 'runtime')
  const folder = join(runtime, 'bin')
  await mkdir(folder, { recursive: true })
  const script = `#!/bin/sh\nexec "${node}" "${join(runtime, 'node_modules/pnpm/bin/pnpm.mjs')}" "$@"\n`
  await writeFile(join(folder, 'pnpm'), script, { mode: 0o755 })
  return folder
}

/**
 * Returns whether Vitest would run the file with these arguments: arguments that are not flags are parts of paths.
 * @param {string[]} args @param {string} file
 */
function selects(args, file) {
  const filters = args.filter((arg) => !arg.startsWith('-'))
  return filters.length === 0 || filters.some((filter) => file.includes(filter))
}

/** Prints the last line of `npm test`. @param {number} passed @param {number} failed */
function summary(passed, failed) {
  console.log(`${passed} passed, ${failed} failed`)
  return failed
}

/**
 * Runs a check that only passes or fails; its output is shown if it fails.
 * @param {string} name @param {string} node @param {string[]} args @param {NodeJS.ProcessEnv} env
 */
async function check(name, node, args, env) {
  const began = Date.now()
  const { ok, output } = await run(node, args, env, 'pipe')
  console.log(`${name}: ${ok ? 'passed' : 'failed'} (${seconds(began)})`)
  if (!ok) console.log(output)
  return ok
}

/**
 * Runs Vitest and counts tests. A file that could not be loaded, or an error outside of any test, counts as one failure.
 * @param {string} node @param {string[]} args @param {NodeJS.ProcessEnv} env
 */
async function runTests(node, args, env) {
  const began = Date.now()
  const folder = await mkdtemp(join(tmpdir(), 'parley-test-report-'))
  const report = join(folder, 'report.json')
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
    const { ok } = await run(node, ['node_modules/vitest/vitest.mjs', 'run', ...reporters, ...args], env, 'inherit')
    const counts = countTests(await readFile(report, 'utf8').catch(() => ''))
    if (!ok && counts.failed === 0) counts.failed = 1
    console.log(`tests: ${counts.passed} passed, ${counts.failed} failed (${seconds(began)})`)
    return counts
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * Runs a program in the repository's root until it exits. Never rejects.
 * @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} env @param {'pipe' | 'inherit'} out
 * @returns {Promise<{ ok: boolean, output: string }>}
 */
function run(command, args, env, out) {
  if (interrupted) return Promise.resolve({ ok: false, output: 'interrupted' })
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, env, stdio: ['ignore', out, out], timeout: STEP_BOUND_MS })
    let output = ''
    const collect = (/** @type {Buffer} */ chunk) => {
      output += chunk
    }
    children.add(child)
    child.stdout?.on('data', collect)
    child.stderr?.on('data', collect)
    const done = (/** @type {boolean} */ ok) => {
      children.delete(child)
      resolve({ ok, output })
    }
    child.once('error', (error) => {
      output += error.message
      done(false)
    })
    child.once('close', (code) => done(code === 0))
  })
}

/** @param {number} since ms */
function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`
}
