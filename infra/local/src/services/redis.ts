import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { keepUntilReady, type Log, type Running } from './keep.ts'
import { clearOrphan, type Ladder } from './orphan.ts'
import { freePort } from './ports.ts'
import { type RedisProgram, redisProgram } from './redis-program.ts'

const run = promisify(execFile)
/** Time limit for a start, in milliseconds; loading a long append-only file takes a while. */
const START_BOUND_MS = 60_000
const START_TRIES = 3
const LADDER: Ladder = [
  ['SIGTERM', 5_000],
  ['SIGKILL', 2_000],
]

/** A running Redis (or Valkey). */
export interface RedisService extends Running {
  /** redis://127.0.0.1:port */
  readonly url: string
  readonly port: number
}

export interface RedisOptions {
  /** Folder of the append-only file; null to keep nothing on disk. */
  dataDir: string | null
  /** Default: any free port. */
  port?: number | undefined
  log: Log
  /** Additional command-line settings; supported for a program only, not for a container. */
  settings?: readonly string[]
}

/**
 * Starts Redis on the loopback address, from the first source that redis-program.ts finds. A server that a killed run left on
 * the same folder is stopped first. Rejects with the server's last lines of output if it does not start.
 */
export async function startRedis({ dataDir, port, log, settings: more = [] }: RedisOptions): Promise<RedisService> {
  const program = await redisProgram(log)
  if (program.kind === 'container' && more.length > 0) {
    throw new Error('This needs Redis with custom settings: put redis-server on the PATH; a container does not work')
  }
  const folder = dataDir === null ? null : resolve(dataDir)
  if (folder !== null) {
    await mkdir(folder, { recursive: true })
    const pidFile = join(folder, 'redis.pid')
    await clearOrphan({ pidFile, commandHas: ['-server', markOf(folder)], name: 'Redis', ladder: LADDER, log })
  }
  for (let attempt = 1; ; attempt++) {
    const chosen = port || (await freePort())
    const server = await launch(program, folder, chosen, more)
    if (!(server instanceof Error)) return { ...server, url: `redis://127.0.0.1:${chosen}`, port: chosen }
    // Another process took the port in the meantime.
    if (attempt >= START_TRIES || port || !/in use|allocated/.test(server.message)) throw server
  }
}

/** Returns the server's settings; `folder` is the data folder as the server itself sees it. */
function settings(folder: string | null): string[] {
  const kept = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--dir', folder ?? '']
  return [
    // Queues and presence must never be evicted (BullMQ requires this).
    ...['--maxmemory-policy', 'noeviction', '--save', '', '--daemonize', 'no', '--databases', '16'],
    ...(folder === null ? ['--appendonly', 'no'] : kept),
  ]
}

function commandLine(program: RedisProgram, folder: string | null, port: number): { command: string; args: string[] } {
  if (program.kind === 'program') {
    const place = ['--bind', '127.0.0.1', '--port', String(port), '--logfile', '']
    return { command: program.path, args: [...place, ...identification(folder), ...settings(folder)] }
  }
  const container = ['run', '--rm', '--name', containerName(folder, port), '-p', `127.0.0.1:${port}:6379`]
  const volume = folder === null ? [] : ['-v', `${folder}:/data`]
  const server = ['redis-server', ...settings(folder === null ? null : '/data')]
  return { command: 'docker', args: [...container, ...volume, program.image, ...server] }
}

/** Returns settings by which the next run can find this server if it is left behind; its process title contains the mark. */
function identification(folder: string | null): string[] {
  if (folder === null) return []
  return ['--pidfile', join(folder, 'redis.pid'), '--proc-title-template', `{title} ${markOf(folder)} {listen-addr}`]
}

/** Returns a name for a data folder that is safe in process titles and container names. */
function markOf(folder: string): string {
  return `parley-redis-${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`
}

function containerName(folder: string | null, port: number): string {
  return folder === null ? `parley-redis-${port}` : markOf(folder)
}

/** Starts the server and resolves when it reports that it is ready, or to an error with its last lines. */
async function launch(
  program: RedisProgram,
  folder: string | null,
  port: number,
  more: readonly string[],
): Promise<Running | Error> {
  if (program.kind === 'container')
    await run('docker', ['rm', '-f', containerName(folder, port)]).catch(() => undefined)
  const { command, args } = commandLine(program, folder, port)
  const server = await keepUntilReady({
    command,
    args: [...args, ...more],
    cwd: folder ?? '/',
    // From its output rather than by PING: another server may be answering on a port that this one could not get.
    ready: 'Ready to accept connections',
    boundMs: START_BOUND_MS,
  })
  return server instanceof Error ? new Error(`Redis did not start:\n${server.message}`) : server
}
