import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** The name of one of the repository's apps, or the entry file of another program that sends the same ready message. */
export type AppEntry = 'api' | 'gateway' | 'worker' | URL

export interface SpawnAppOptions {
  app: AppEntry
  /** The process's settings. It inherits only the variables in `INHERITED` from this process. */
  env: Record<string, string | undefined>
  /** Its name in messages, for example `gateway-1`. */
  name: string
  /** Receives each line that the process writes to stdout or stderr. */
  log: (line: string) => void
  /** How long it may take to become ready, in ms. */
  readyTimeoutMs?: number
  /** How long it may take to stop after SIGTERM before it is killed, in ms. */
  stopTimeoutMs?: number
  /** Aborting it kills a process that is not ready yet. */
  signal?: AbortSignal
}

export interface AppExit {
  code: number | null
  signal: NodeJS.Signals | null
}

/** A running app that has reported that it is ready. */
export interface AppProcess {
  readonly name: string
  /** Null for an app that listens on no port (the worker). */
  readonly port: number | null
  readonly adminPort: number
  readonly pid: number
  kill(signal: NodeJS.Signals): void
  /** Sends SIGTERM, then SIGKILL after the timeout. Resolves when the process is gone; may be called again. */
  stop(): Promise<void>
  /** Resolves when the process is gone, for whatever reason. Never rejects. */
  readonly exited: Promise<AppExit>
}

/** Thrown when a process exits or times out before it is ready. The message contains its last lines of output. */
export class AppStartError extends Error {
  override readonly name = 'AppStartError'
}

interface ReadyMessage {
  type: 'ready'
  port: number | null
  adminPort: number
}

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url))
const LAST_LINES = 15
const INHERITED = ['PATH', 'HOME', 'TMPDIR', 'TZ', 'LANG', 'NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'NODE_COMPILE_CACHE']

/**
 * Starts an app in its own process and resolves when it is ready.
 *
 * The process gets its own process group, because Ctrl-C in a terminal reaches the whole foreground group at once, while apps
 * must be drained in order by their starter. It exits by itself when its IPC channel closes.
 *
 * @throws AppStartError when it exits or times out before it is ready
 */
export async function spawnApp(options: SpawnAppOptions): Promise<AppProcess> {
  const { name, log, readyTimeoutMs = 30_000, stopTimeoutMs = 8_000 } = options
  const child = spawn(process.execPath, [entryFile(options.app)], {
    cwd: REPOSITORY,
    env: { ...inheritedEnvironment(), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: true,
  })
  const lastLines = readLines(child, log)
  const exited = exitOf(child)
  const giveUp = () => child.kill('SIGKILL')
  options.signal?.addEventListener('abort', giveUp)
  if (options.signal?.aborted) giveUp()
  const ready = await waitUntilReady(child, exited, readyTimeoutMs).catch(async (error: Error) => {
    child.kill('SIGKILL')
    await exited
    // Its output may still be in the pipe when 'exit' fires.
    if (child.stderr?.readableEnded === false) await Promise.race([once(child, 'close'), delay(500)])
    throw new AppStartError(`${name} ${error.message}${quoteLines(lastLines)}`)
  })
  options.signal?.removeEventListener('abort', giveUp)
  const stop = async () => {
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
    await exited
    clearTimeout(timer)
  }
  return {
    name,
    port: ready.port,
    adminPort: ready.adminPort,
    pid: child.pid ?? 0,
    kill: (signal) => void child.kill(signal),
    stop,
    exited,
  }
}

/** Returns the path of the repository's root, with a trailing slash. */
export function repositoryRoot(): string {
  return REPOSITORY
}

function entryFile(app: AppEntry): string {
  return fileURLToPath(app instanceof URL ? app : new URL(`../../../apps/${app}/src/main.ts`, import.meta.url))
}

function inheritedEnvironment(): Record<string, string> {
  const inherited: Record<string, string> = {}
  for (const key of INHERITED) {
    const value = process.env[key]
    if (value !== undefined) inherited[key] = value
  }
  return inherited
}

function exitOf(child: ChildProcess): Promise<AppExit> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
    // A process that could not be spawned emits 'error' but no 'exit'.
    child.on('error', () => {
      if (child.pid === undefined) resolve({ code: null, signal: null })
    })
  })
}

function waitUntilReady(child: ChildProcess, exited: Promise<AppExit>, timeoutMs: number): Promise<ReadyMessage> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`was not ready within ${timeoutMs} ms`)), timeoutMs)
    const onMessage = (message: unknown) => {
      if (!isReadyMessage(message)) return
      clearTimeout(timer)
      child.off('message', onMessage)
      resolve(message)
    }
    child.on('message', onMessage)
    void exited.then(({ code, signal }) => {
      clearTimeout(timer)
      reject(new Error(`exited before it was ready (${signal ?? `exit code ${code}`})`))
    })
  })
}

function isReadyMessage(message: unknown): message is ReadyMessage {
  return (
    typeof message === 'object' &&
    message !== null &&
    'type' in message &&
    message.type === 'ready' &&
    'port' in message &&
    (typeof message.port === 'number' || message.port === null) &&
    'adminPort' in message &&
    typeof message.adminPort === 'number'
  )
}

function readLines(child: ChildProcess, log: (line: string) => void): string[] {
  const last: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue
    createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) => {
      last.push(line)
      if (last.length > LAST_LINES) last.shift()
      log(line)
    })
  }
  return last
}

function quoteLines(lines: string[]): string {
  return lines.length === 0 ? ', without output' : `. Its last lines:\n${lines.map((line) => `    ${line}`).join('\n')}`
}
