import { execFile } from 'node:child_process'
import { access, mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { installFromDebian, reasonOf } from './debian.ts'
import type { Log } from './keep.ts'

const run = promisify(execFile)
/** The fan-out needs sharded pub/sub, which came with Redis 7. */
const OLDEST_MAJOR = 7
const IMAGE = 'redis:8'
const MEMORY_SERVER = 'redis-memory-server@0.17.1'
const INSTALL_BOUND_MS = 300_000
const BUILD_BOUND_MS = 900_000

/** How to run Redis here: as a program or as a container. */
export type RedisProgram = { kind: 'program'; path: string } | { kind: 'container'; image: string }

let found: Promise<RedisProgram> | undefined

/**
 * Finds Redis or Valkey 7 or later, or provides it: from the PATH, from Debian's packages (as root only), as a container, or
 * built by redis-memory-server. Rejects with a list of these ways if none works. The result is cached.
 */
export function redisProgram(log: Log): Promise<RedisProgram> {
  found ??= findOrGet(log)
  return found
}

async function findOrGet(log: Log): Promise<RedisProgram> {
  const ways = [onPath, fromDebian, asContainer, builtFromSource]
  for (const way of ways) {
    const program = await way(log)
    if (program) return program
  }
  throw new Error(
    `No Redis ${OLDEST_MAJOR} or later found. Provide one of these: REDIS_URL in the environment; redis-server or ` +
      'valkey-server on the PATH; a working apt-get, as root on Debian or Ubuntu; a running Docker engine; ' +
      'or a C compiler and make, so that redis-memory-server can build one',
  )
}

async function onPath(): Promise<RedisProgram | undefined> {
  for (const path of ['redis-server', 'valkey-server']) {
    const version = await run(path, ['--version']).catch(() => undefined)
    const major = Number(/v=(\d+)/.exec(version?.stdout ?? '')?.[1] ?? 0)
    if (major >= OLDEST_MAJOR) return { kind: 'program', path }
  }
  return undefined
}

async function fromDebian(log: Log): Promise<RedisProgram | undefined> {
  await installFromDebian('redis-server', log)
  return onPath()
}

async function asContainer(log: Log): Promise<RedisProgram | undefined> {
  const answers = await run('docker', ['info'], { timeout: 10_000 }).catch(() => undefined)
  if (!answers) return undefined
  log(`No Redis found: running one in a container (${IMAGE})`)
  const here = await run('docker', ['image', 'inspect', IMAGE]).catch(() => undefined)
  if (!here) await run('docker', ['pull', '-q', IMAGE], { timeout: INSTALL_BOUND_MS }).catch(() => undefined)
  const image = await run('docker', ['image', 'inspect', IMAGE]).catch(() => undefined)
  return image ? { kind: 'container', image: IMAGE } : undefined
}

/** The last resort, because the build takes minutes. Installed into the user's cache. */
async function builtFromSource(log: Log): Promise<RedisProgram | undefined> {
  const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'parley', 'redis')
  log('No Redis found: building one with redis-memory-server, which takes a few minutes the first time')
  try {
    await mkdir(folder, { recursive: true })
    const install = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', folder, MEMORY_SERVER]
    await run('npm', install, { timeout: INSTALL_BOUND_MS })
    const require = createRequire(join(folder, 'package.json'))
    const script = `require(${JSON.stringify(require.resolve('redis-memory-server/lib/util/RedisBinary'))})
      .default.getPath({ downloadDir: ${JSON.stringify(join(folder, 'binaries'))} }).then((path) => console.log(path))`
    const { stdout } = await run(process.execPath, ['-e', script], { cwd: folder, timeout: BUILD_BOUND_MS })
    const path = stdout.trim().split('\n').at(-1) ?? ''
    await access(path)
    return { kind: 'program', path }
  } catch (error) {
    log(`That failed: ${reasonOf(error)}`)
    return undefined
  }
}
