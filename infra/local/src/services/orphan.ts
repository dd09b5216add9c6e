import { readFile, rm } from 'node:fs/promises'
import type { Log } from './keep.ts'
import { describeProcess, isRunning, signalProcess } from './process-state.ts'
import { until } from './until.ts'

/** The signals that end a service, gentlest first, and how long each may take in ms. */
export type Ladder = readonly (readonly [NodeJS.Signals, number])[]

export interface OrphanOptions {
  /** The file in which the service writes its process id first. */
  pidFile: string
  /** Parts that the service's command line has, so that no other program with this number is touched. */
  commandHas: string[]
  /** The service's name for people. */
  name: string
  ladder: Ladder
  log: Log
}

/**
 * Makes a service's data free to be started on: stops a server that a killed run left behind, and removes a pid file
 * whose number belongs to another program, or to a zombie. Rejects when the server belongs to a run that is alive.
 */
export async function clearOrphan({ pidFile, commandHas, name, ladder, log }: OrphanOptions): Promise<void> {
  const pid = Number.parseInt(await readFile(pidFile, 'utf8').catch(() => ''), 10)
  if (!(pid > 1)) return rm(pidFile, { force: true })
  // Nobody has this number: the server sees that too, and Postgres looks for sessions left in its shared memory.
  if (!signalProcess(pid, 0)) return
  const command = isRunning(pid) ? ((await describeProcess(pid, 'args')) ?? '') : ''
  if (!commandHas.every((part) => command.includes(part))) return rm(pidFile, { force: true })
  const gone = () => !isRunning(pid)
  const run = await livingRun(pid)
  if (run !== undefined)
    throw new Error(`${name} for this folder belongs to process ${run}, which is running: stop it first`)
  log(`Stopping a ${name} (pid ${pid}) that an earlier run left behind`)
  for (const [signal, bound] of ladder) {
    signalProcess(pid, signal)
    if (await until(gone, bound)) return
  }
  throw new Error(`${name} (pid ${pid}) is left from an earlier run and does not stop`)
}

/** The process that a service's keeper works for, if both are alive. */
async function livingRun(pid: number): Promise<number | undefined> {
  const keeper = Number(await describeProcess(pid, 'ppid'))
  const command = keeper > 1 ? await describeProcess(keeper, 'args') : undefined
  const parent = Number(/keeper\.ts (\d+)/.exec(command ?? '')?.[1])
  return parent > 1 && isRunning(parent) ? parent : undefined
}
