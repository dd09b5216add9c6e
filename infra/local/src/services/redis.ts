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
/** Loading a long append-only file takes its time. */
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
  /** Where the append-only file lives; null keeps nothing on disk. */
  dataDir: string | null
  /** Default: any free port. */
  port?: number | undefined
  log: Log
  /** More of the server's settings, as on its command line; a program on this machine only, not a container. */
  settings?: readonly string[]
}

/**
 * Starts a Redis on the loopback address, from the first source that redis-program.ts finds. A server that a killed
 * run left on the same folder is stopped first. Rejects with the server's last lines when it does not come up.
 */
export async function startRedis({ dataDir, port, log, settings: more = [] }: RedisOptions): Promise<RedisService> {
  const program = await redisProgram(log)
  if (program.kind === 'container' && more.length > 0) {
    throw new Error('This needs a Redis of one’s own settings: redis-server on the PATH, not one in a container')
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
    // Somebody took the port in between.
    if (attempt >= START_TRIES || port || !/in use|allocated/.test(server.message)) throw server
  }
}

/** The server's settings; `folder` is its data folder as the server itself sees it. */
function settings(folder: string | null): string[] {
  const kept = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--dir', folder ?? '']
  return [
    // Queues and presence must never be evicted (BullMQ asks for this).
    ...['--maxmemory-policy', 'noeviction', '--save', '', '--daemonize', 'no', '--databases', '16'],
    ...(folder === null ? ['--appendonly', 'no'] : kept),
  ]
}

function commandLine(program: RedisProgram, folder: string | null, port: number): { command: string; args: string[] } {
  if (program.kind === 'program') {
    const place = ['--bind', '127.0.0.1', '--port', String(port), '--logfile', '']
    return { command: program.path, args: [...place, ...traces(folder), ...settings(folder)] }
  }
  const container = ['run', '--rm', '--name', containerName(folder, port), '-p', `127.0.0.1:${port}:6379`]
  const volume = folder === null ? [] : ['-v', `${folder}:/data`]
  const server = ['redis-server', ...settings(folder === null ? null : '/data')]
  return { command: 'docker', args: [...container, ...volume, program.image, ...server] }
}

/** By what the next run finds this server should it be left behind; its title carries the folder's mark. */
function traces(folder: string | null): string[] {
  if (folder === null) return []
  return ['--pidfile', join(folder, 'redis.pid'), '--proc-title-template', `{title} ${markOf(folder)} {listen-addr}`]
}

/** A name for a data folder without the characters that a process title or a container's name cannot have. */
function markOf(folder: string): string {
  return `parley-redis-${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`
}

function containerName(folder: string | null, port: number): string {
  return folder === null ? `parley-redis-${port}` : markOf(folder)
}

/** Starts the server and resolves when it says that it serves, or to an error with its last lines. */
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
    // Its own word and not a PING: another server may answer on a port that this one could not get.
    ready: 'Ready to accept connections',
    boundMs: START_BOUND_MS,
  })
  return server instanceof Error ? new Error(`Redis did not start:\n${server.message}`) : server
}
