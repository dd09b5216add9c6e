import { setTimeout as delay } from 'node:timers/promises'
import type { AppExit } from './processes.ts'

/** A process as the supervisor sees it: an app, or a service under its keeper. */
export interface Child {
  readonly pid: number
  readonly exited: Promise<AppExit>
  stop(): Promise<void>
}

/** One thing that is to run all the time. */
export interface Unit<C extends Child> {
  name: string
  /** Starts it and resolves when it serves. The signal is aborted when the wish to have it running has gone. */
  start(signal: AbortSignal): Promise<C>
  /** What a person may want to know when it dies, e.g. where its log is. */
  hint?: string
}

export interface SuperviseOptions {
  log: (line: string) => void
  /** The wait before the first restart, in ms. It doubles with each failure in a row. */
  firstDelayMs?: number
  longestDelayMs?: number
  /** One that has run for this long starts again without the failures before counted, in ms. */
  steadyMs?: number
}

/**
 * One supervised unit. States: running -> waiting (it died) -> starting -> running, and from each of them -> stopped.
 */
export interface Supervised<C extends Child> {
  readonly name: string
  /** The process that serves just now; undefined between a death and the next start. */
  readonly current: C | undefined
  /** Stops it for good. Resolves when no process of it is left. May be called again. */
  stop(): Promise<void>
}

/**
 * Starts a unit and starts it again, with back-off, whenever it dies.
 *
 * @throws what the very first start throws; later failures are told to `log` and tried again
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
        if (!signal.aborted) log(`${unit.name} could not be started again and is tried once more: ${describe(error)}`)
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
      log(`${unit.name} (pid ${child.pid}) ${describeExit(exit)}: starting it again in ${wait} ms${hint}`)
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

/** How a process ended, in words. */
function describeExit({ code, signal }: AppExit): string {
  return signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
