import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { signalProcess } from './process-state.ts'

/** Receives one line for people to read. */
export type Log = (line: string) => void

/** How a process ended. */
export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

/** A running service, which stops when this process ends. */
export interface Running {
  /** The service's process id, not its keeper's. */
  readonly pid: number
  /** Resolves when the service has ended, for whatever reason. Never rejects. */
  readonly exited: Promise<Exit>
  /** Stops the service and resolves when it has ended, within about ten seconds. May be called again. */
  stop(): Promise<void>
  /** Sends a signal to the service, for failure tests. Returns false if it has already ended. */
  kill(signal: NodeJS.Signals): boolean
}

/** What to run under a keeper. */
export interface KeepOptions {
  command: string
  args: string[]
  env?: Record<string, string>
  cwd?: string
  uid?: number
  gid?: number
  /** The signal for an orderly stop. Default SIGTERM. */
  stopSignal?: NodeJS.Signals
  /** Each line of the service's output. */
  onLine?: ((line: string) => void) | undefined
}

export type KeeperRequest =
  | {
      type: 'start'
      command: string
      args: string[]
      env: Record<string, string>
      cwd: string
      uid: number | undefined
      gid: number | undefined
      stopSignal: NodeJS.Signals
    }
  | { type: 'stop' }

export type KeeperReport =
  | { type: 'spawned'; pid: number }
  | { type: 'line'; line: string }
  | { type: 'failed'; message: string }
  | ({ type: 'exit' } & Exit)

/** The keeper's own grace period of 8 s, and some time for its messages. */
const STOP_BOUND_MS = 9_500
const LAST_LINES = 20

/**
 * Runs a command under a keeper process (keeper.ts), which stops it when this process ends for any reason. Rejects if the
 * command cannot be started.
 */
export function keep(options: KeepOptions): Promise<Running> {
  // orphan.ts reads this argument to find out whether a service's run is still alive.
  const keeper = fork(fileURLToPath(new URL('./keeper.ts', import.meta.url)), [String(process.pid)], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    execArgv: [],
  })
  keeper.send({
    type: 'start',
    command: options.command,
    args: options.args,
    env: options.env ?? {},
    cwd: options.cwd ?? process.cwd(),
    uid: options.uid,
    gid: options.gid,
    stopSignal: options.stopSignal ?? 'SIGTERM',
  } satisfies KeeperRequest)
  return new Promise((resolve, reject) => {
    const exited = Promise.withResolvers<Exit>()
    let pid = 0
    keeper.on('message', (report: KeeperReport) => {
      if (report.type === 'line') options.onLine?.(report.line)
      if (report.type === 'failed') reject(new Error(`${options.command} could not be started: ${report.message}`))
      if (report.type === 'exit') exited.resolve({ code: report.code, signal: report.signal })
      if (report.type === 'spawned') {
        pid = report.pid
        resolve(running(keeper, pid, exited.promise))
      }
    })
    keeper.once('error', reject)
    keeper.once('exit', (code, signal) => {
      reject(new Error(`${options.command} could not be started`))
      // If the keeper was killed, its service is still running: kill that, too.
      if (signal !== null && pid > 0) signalProcess(pid, 'SIGKILL')
      exited.resolve({ code, signal })
    })
  })
}

/**
 * Runs a command under a keeper and resolves when a line of its output contains `ready`. If it ends, or is not ready within
 * `boundMs`, it is stopped, and this resolves to an error whose message is its last lines.
 */
export async function keepUntilReady(
  options: KeepOptions & { ready: string; boundMs: number },
): Promise<Running | Error> {
  const ready = Promise.withResolvers<boolean>()
  const lines: string[] = []
  const service = await keep({
    ...options,
    onLine: (line) => {
      options.onLine?.(line)
      lines.push(line)
      if (lines.length > LAST_LINES) lines.shift()
      if (line.includes(options.ready)) ready.resolve(true)
    },
  })
  const timer = setTimeout(() => ready.resolve(false), options.boundMs)
  const serves = await Promise.race([ready.promise, service.exited.then(() => false)])
  clearTimeout(timer)
  if (serves) return service
  await service.stop()
  return new Error(lines.join('\n'))
}

function running(keeper: ChildProcess, pid: number, exited: Promise<Exit>): Running {
  let ended = false
  let stopped: Promise<void> | undefined
  exited.then(() => {
    ended = true
  })
  const stop = async () => {
    if (!ended && keeper.connected) keeper.send({ type: 'stop' } satisfies KeeperRequest, () => undefined)
    const { promise: bound, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, STOP_BOUND_MS)
    await Promise.race([exited, bound])
    clearTimeout(timer)
    if (!ended) {
      signalProcess(pid, 'SIGKILL')
      keeper.kill('SIGKILL')
    }
  }
  return {
    pid,
    exited,
    stop() {
      stopped ??= stop()
      return stopped
    },
    kill: (signal) => !ended && signalProcess(pid, signal),
  }
}
