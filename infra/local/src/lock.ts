import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** The lock file's content: the run that holds it. */
interface Holder {
  pid: number
  /** When that process started, according to the system: its pid may have been reused. */
  began: string
  address: string
  /** Whether it is stopping, so that the next run can wait for it. */
  stopping: boolean
}

export interface Lock {
  /** Updates this run's address, or records that it is stopping. */
  update(news: { address?: string; stopping?: boolean }): Promise<void>
  release(): Promise<void>
}

/** Thrown when another run holds the folder. */
class AlreadyRunningError extends Error {
  override readonly name = 'AlreadyRunningError'
}

const TRIES = 5
/** Long enough for all runs that found the same stale lock to have replaced it with theirs. */
const SETTLE_MS = 100
const LOOK_MS = 100
/** How long to wait for a stopping run, which takes at most 10 s. */
const STOPPING_BOUND_MS = 12_000
/** How long a run may take to notice that its starter is gone: it checks twice a second. */
const NOTICING_BOUND_MS = 1_500

/**
 * Locks the folder for this process. Takes over the lock of a process that is gone; waits for a run that is stopping, or that
 * has yet to notice that its starter was killed.
 * @throws AlreadyRunningError with the pid and address of the run that holds it
 */
export async function takeLock(home: string, address: string, print: (line: string) => void): Promise<Lock> {
  const file = join(home, 'run.lock')
  await mkdir(home, { recursive: true })
  const holder: Holder = { pid: process.pid, began: beginningOf(process.pid) ?? '', address, stopping: false }
  let written = Promise.resolve()
  const lock = {
    update: (news: Partial<Holder>) => {
      Object.assign(holder, news)
      written = written.then(() => replace(file, JSON.stringify(holder)))
      return written
    },
    release: async () => {
      await written.catch(() => undefined)
      await rm(file, { force: true })
    },
  }
  const text = JSON.stringify(holder)
  for (let tries = 0; tries < TRIES; tries++) {
    if (await createExclusively(file, text)) return lock
    await waitForHolder(file, print)
    if (await takeOver(file, text)) return lock
  }
  throw new Error(`Could not take ${file}: other runs are starting at the same time. Try again.`)
}

/** Resolves when no live process holds the lock. */
async function waitForHolder(file: string, print: (line: string) => void): Promise<void> {
  const began = Date.now()
  let told = false
  for (;;) {
    const holder = parseHolder(await readFile(file, 'utf8').catch(() => undefined))
    if (!holder || beginningOf(holder.pid) !== holder.began) return
    const waited = Date.now() - began
    if (waited > (holder.stopping ? STOPPING_BOUND_MS : NOTICING_BOUND_MS)) {
      throw new AlreadyRunningError(
        `Parley is already running here: pid ${holder.pid}, ${holder.address}\n` +
          `Stop it with Ctrl-C in its terminal or \`kill ${holder.pid}\`. To run a second one, set PARLEY_HOME and --port.`,
      )
    }
    if (holder.stopping && !told) print(`Waiting for the previous run to stop (pid ${holder.pid})`)
    told ||= holder.stopping
    await delay(LOOK_MS)
  }
}

async function createExclusively(file: string, text: string): Promise<boolean> {
  try {
    await writeFile(file, text, { flag: 'wx' })
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

/** Replaces a stale lock. If several runs do so at once, the last one wins, and the others notice. */
async function takeOver(file: string, text: string): Promise<boolean> {
  await replace(file, text)
  await delay(SETTLE_MS)
  return (await readFile(file, 'utf8').catch(() => '')) === text
}

/** Replaces the file atomically, so that nobody reads half of it. */
async function replace(file: string, text: string): Promise<void> {
  const draft = `${file}.${process.pid}.${randomUUID()}`
  await writeFile(draft, text)
  await rename(draft, file)
}

/** Returns when a process started, as an opaque text that differs if the pid is reused; undefined if there is no such process. */
export function beginningOf(pid: number): string | undefined {
  try {
    // The 22nd field, counted from after the name, which is in parentheses and may contain anything.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    if (process.platform === 'linux') return undefined
  }
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined
  } catch {
    return undefined
  }
}

function parseHolder(text: string | undefined): Holder | undefined {
  try {
    const holder: unknown = JSON.parse(text ?? '')
    if (typeof holder !== 'object' || holder === null) return undefined
    const { pid, began, address, stopping } = holder as Partial<Record<keyof Holder, unknown>>
    if (typeof pid !== 'number' || typeof began !== 'string' || typeof address !== 'string') return undefined
    return { pid, began, address, stopping: stopping === true }
  } catch {
    return undefined
  }
}
