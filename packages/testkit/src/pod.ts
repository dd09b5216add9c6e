import { type AppEntry, type AppExit, type AppProcess, spawnApp } from '@parley/local'
import type { LogRing } from './logs.ts'

/** A process of a cluster. */
export interface Pod {
  readonly name: string
  /** Its own address, not the edge's: http://127.0.0.1:port. It stays the same after restarts. Empty for a worker. */
  readonly url: string
  /** http://127.0.0.1:adminPort, for health checks and metrics. */
  readonly adminUrl: string
  readonly pid: number
  readonly running: boolean
  /** How many times it has exited unexpectedly. */
  readonly crashes: number
  /** Sends a signal. Resolves when the process has exited if the signal ends it (SIGKILL, SIGTERM, SIGINT). */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Stops it gracefully. */
  stop(): Promise<void>
  /** Starts it again on the same port, after stopping it if it is running. */
  restart(): Promise<void>
}

export interface PodOptions {
  app: AppEntry
  name: string
  env: Record<string, string | undefined>
  logs: LogRing
}

/** A watchdog: with thirty others on two processors, a process takes some 15 s to start. */
const READY_TIMEOUT_MS = 90_000

const ENDING: NodeJS.Signals[] = ['SIGKILL', 'SIGTERM', 'SIGINT']

/** Starts an app and resolves when it is ready. A process that exits unexpectedly prints its last lines. */
export async function startPod(options: PodOptions): Promise<Pod> {
  let crashes = 0
  const onCrash = () => {
    crashes++
  }
  let state = await launch(options, '0', onCrash)
  const url = state.app.port === null ? '' : `http://127.0.0.1:${state.app.port}`
  const port = String(state.app.port ?? 0)
  const end = (signal: NodeJS.Signals) => {
    state.expected = true
    state.app.kill(signal)
    return state.app.exited
  }
  const stop = async () => {
    state.expected = true
    if (state.running) await state.app.stop()
  }
  return {
    name: options.name,
    url,
    get adminUrl() {
      return `http://127.0.0.1:${state.app.adminPort}`
    },
    get pid() {
      return state.app.pid
    },
    get running() {
      return state.running
    },
    get crashes() {
      return crashes
    },
    kill: async (signal = 'SIGKILL') => {
      if (ENDING.includes(signal)) await end(signal)
      else state.app.kill(signal)
    },
    stop,
    restart: async () => {
      await stop()
      state = await launch(options, port, onCrash)
    },
  }
}

interface Launched {
  app: AppProcess
  running: boolean
  /** Whether the test caused its exit. */
  expected: boolean
}

async function launch({ app, name, env, logs }: PodOptions, port: string, onCrash: () => void): Promise<Launched> {
  const log = logs.from(name)
  const process = await spawnApp({ app, name, log, env: { ...env, PORT: port }, readyTimeoutMs: READY_TIMEOUT_MS })
  const state: Launched = { app: process, running: true, expected: false }
  process.exited.then((exit) => {
    state.running = false
    if (state.expected) return
    onCrash()
    console.error(`${name} exited unexpectedly (${describe(exit)}):\n${logs.tail(name)}`)
  })
  return state
}

function describe({ code, signal }: AppExit): string {
  return signal ?? `exit code ${code}`
}
