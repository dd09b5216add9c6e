import { readFile, rm } from 'node:fs/promises'
import type { Log } from './keep.ts'
import { describeProcess, isRunning, signalProcess } from './process-state.ts'
import { until } from './until.ts'

/** The signals that stop a service, gentlest first, and how long to wait after each, in ms. */
export type Ladder = readonly (readonly [NodeJS.Signals, number])[]

export interface OrphanOptions {
  /** The service's pid file, whose first line is the pid. */
  pidFile: string
  /** Parts of the service's command line, so that no other program with this pid is touched. */
  commandHas: string[]
  /** The service's name in messages. */
  name: string
  ladder: Ladder
  log: Log
}

/**
 * Frees a service's data folder: stops a server that a killed run left behind, and removes a pid file whose pid now belongs to
 * another program or a zombie. Rejects if the server belongs to a run that is alive.
 */
export async function clearOrphan({ pidFile, commandHas, name, ladder, log }: OrphanOptions): Promise<void> {
  const pid = Number.parseInt(await readFile(pidFile, 'utf8').catch(() => ''), 10)
  if (!(pid > 1)) return rm(pidFile, { force: true })
  // No such process. Leave the file: the server handles that itself, and Postgres then checks its shared memory for sessions.
  if (!signalProcess(pid, 0)) return
  const command = isRunning(pid) ? ((await describeProcess(pid, 'args')) ?? '') : ''
  if (!commandHas.every((part) => command.includes(part))) return rm(pidFile, { force: true })
  const gone = () => !isRunning(pid)
  const run = await livingRun(pid)
  if (run !== undefined)
    throw new Error(`${name} for this folder belongs to process ${run}, which is still running. Stop that first.`)
  log(`Stopping a ${name} (pid ${pid}) that an earlier run left behind`)
  for (const [signal, bound] of ladder) {
    signalProcess(pid, signal)
    if (await until(gone, bound)) return
  }
  throw new Error(`${name} (pid ${pid}) was left behind by an earlier run and does not stop`)
}

/** Returns the pid of the process that a service's keeper works for, if both are alive. */
async function livingRun(pid: number): Promise<number | undefined> {
  const keeper = Number(await describeProcess(pid, 'ppid'))
  const command = keeper > 1 ? await describeProcess(keeper, 'args') : undefined
  const parent = Number(/keeper\.ts (\d+)/.exec(command ?? '')?.[1])
  return parent > 1 && isRunning(parent) ? parent : undefined
}
