import { setTimeout as delay } from 'node:timers/promises'
import type { AppExit } from './processes.ts'

/** A supervised process: an app, or a service under its keeper. */
export interface Child {
  readonly pid: number
  readonly exited: Promise<AppExit>
  stop(): Promise<void>
}

/** Something to keep running. */
export interface Unit<C extends Child> {
  name: string
  /** Starts it and resolves when it is ready. The signal is aborted when it is no longer wanted. */
  start(signal: AbortSignal): Promise<C>
  /** Helpful information when it dies, for example where its log is. */
  hint?: string
}

export interface SuperviseOptions {
  log: (line: string) => void
  /** Delay before the first restart, in ms. It doubles with each consecutive failure. */
  firstDelayMs?: number
  longestDelayMs?: number
  /** After running for this long, earlier failures no longer count, in ms. */
  steadyMs?: number
}

/**
 * One supervised unit. States: running -> waiting (it died) -> starting -> running; from each of them -> stopped.
 */
export interface Supervised<C extends Child> {
  readonly name: string
  /** The running process; undefined while it is being restarted. */
  readonly current: C | undefined
  /** Stops it for good. Resolves when its process is gone. May be called again. */
  stop(): Promise<void>
}

/**
 * Starts a unit, and restarts it with back-off whenever it dies.
 * @throws what the first start throws; later failures are logged and retried
 */
export async function supervise<C extends Child>(unit: Unit<C>, options: SuperviseOptions): Promise<Supervised<C>> {
  const { log, firstDelayMs = 250, longestDelayMs = 10_000, steadyMs = 20_000 } = options
  const stopping = new AbortController()
  const { signal } = stopping
  let current: C | undefined = await unit.start(signal)

  const startAgain = async (failures: number): Promise<C | undefined> => {
    for (let tries = failures; !signal.aborted; tries++) {
      await delay(Math.min(longestDelayMs, firstDelayMs * 2 ** tries), undefined, { signal }).catch(() => undefined)
      if (signal.aborted) return undefined
      try {
        const child = await unit.start(signal)
        if (!signal.aborted) return child
        await child.stop()
      } catch (error) {
        if (!signal.aborted) log(`${unit.name} could not be restarted, retrying: ${describe(error)}`)
      }
    }
    return undefined
  }

  const watch = async (first: C) => {
    let failures = 0
    for (let child: C | undefined = first; child; child = current) {
      const began = performance.now()
      const exit = await child.exited
      if (signal.aborted) return
      current = undefined
      if (performance.now() - began >= steadyMs) failures = 0
      const wait = Math.min(longestDelayMs, firstDelayMs * 2 ** failures)
      const hint = unit.hint === undefined ? '' : ` (${unit.hint})`
      log(`${unit.name} (pid ${child.pid}) ${describeExit(exit)}; restarting it in ${wait} ms${hint}`)
      current = await startAgain(failures)
      failures++
      if (current) log(`${unit.name} is back: pid ${current.pid}`)
    }
  }

  const watching = watch(current)
  return {
    name: unit.name,
    get current() {
      return current
    },
    stop: async () => {
      stopping.abort()
      await Promise.all([current?.stop(), watching])
    },
  }
}

/** Describes how a process ended. */
function describeExit({ code, signal }: AppExit): string {
  return signal === null ? `exited with code ${code}` : `was killed by ${signal}`
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
