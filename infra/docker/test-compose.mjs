/**
 * `npm run test:compose`: starts the cluster of docker-compose.yml and tests it. Its last line is `N passed, N failed`.
 * Plain JavaScript without dependencies, because it runs before packages are installed and under Node 20 or later.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureRuntime, SetupError } from '../local/bootstrap.mjs'
import { countTests } from '../local/counts.mjs'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** An optional script outside the repository that provides an engine and images on a machine that cannot fetch them. */
const STAND_INS = join(ROOT, '..', 'shared', 'containers', 'stand-ins.sh')
const BOUND_MS = 20 * 60_000

const counts = await main().catch((error) => {
  console.error(error instanceof SetupError ? error.message : error)
  return { passed: 0, failed: 1 }
})
console.log(`${counts.passed} passed, ${counts.failed} failed`)
process.exitCode = counts.failed === 0 ? 0 : 1

async function main() {
  const withoutBuildKit = prepareEngine()
  const { node, env } = await ensureRuntime({ log: (line) => console.log(line) })
  const folder = await mkdtemp(join(tmpdir(), 'parley-compose-report-'))
  try {
    const report = join(folder, 'report.json')
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
    const args = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'infra/docker/vitest.config.ts', ...reporters]
    // Stand-in images exist in this engine only; BuildKit would look for them elsewhere.
    const settings = withoutBuildKit ? { DOCKER_BUILDKIT: '0', COMPOSE_DOCKER_CLI_BUILD: '0' } : {}
    const ok = await run(node, args, { ...env, ...settings })
    const counted = countTests(await readFile(report, 'utf8').catch(() => ''))
    return !ok && counted.failed === 0 ? { ...counted, failed: 1 } : counted
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * Makes sure that a Docker engine and Compose are available.
 * @returns whether the images are stand-ins
 * @throws {SetupError} if they are not
 */
function prepareEngine() {
  const standIns = existsSync(STAND_INS)
  if (standIns && !imagesAreThere()) {
    console.log('No Docker engine with the images: setting up this machine’s stand-ins')
    spawnSync('bash', [STAND_INS], { stdio: ['ignore', 'inherit', 'inherit'], timeout: BOUND_MS })
  }
  if (!works('docker', 'info')) {
    throw new SetupError(
      'No Docker engine is running, so nothing was tested. Start one with Compose; `docker info` must work.',
    )
  }
  if (!works('docker', 'compose', 'version') && !works('docker-compose', 'version')) {
    throw new SetupError('Neither `docker compose` nor `docker-compose` is installed, so nothing was tested.')
  }
  return standIns
}

function imagesAreThere() {
  const images = ['node:26-bookworm-slim', 'postgres:18', 'redis:8', 'haproxy:3.2', 'chrislusf/seaweedfs:latest']
  return works('docker', 'image', 'inspect', ...images)
}

/** @param {string} command @param {string[]} args */
function works(command, ...args) {
  return spawnSync(command, args, { stdio: 'ignore', timeout: 30_000 }).status === 0
}

/** @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} env @returns {Promise<boolean>} */
function run(command, args, env) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, env, stdio: ['ignore', 'inherit', 'inherit'], timeout: BOUND_MS })
    for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.once(signal, () => child.kill(signal))
    child.once('error', () => resolve(false))
    child.once('close', (code) => resolve(code === 0))
  })
}
