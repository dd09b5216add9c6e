import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** What the lock file says of the run that holds it. */
interface Holder {
  pid: number
  /** When that process began, as the system tells it: another process may have its number by now. */
  began: string
  address: string
  /** It is on its way out: whoever wants the folder may wait. */
  stopping: boolean
}

export interface Lock {
  /** Writes down, for whoever finds the lock, where this run is reached or that it is about to end. */
  update(news: { address?: string; stopping?: boolean }): Promise<void>
  release(): Promise<void>
}

/** Thrown when another run holds the folder. */
class AlreadyRunningError extends Error {
  override readonly name = 'AlreadyRunningError'
}

const TRIES = 5
/** Long enough for all that found the same stale lock to have put theirs in its place. */
const SETTLE_MS = 100
const LOOK_MS = 100
/** A stopping run is gone within 10 s. */
const STOPPING_BOUND_MS = 12_000
/** A run looks twice a second whether its starter is still there. */
const NOTICING_BOUND_MS = 1_500

/**
 * Takes the folder for this process. A lock whose process is gone is taken over; a run that is stopping, or that notices
 * only now that its starter was killed, is waited for.
 *
 * @throws AlreadyRunningError naming the pid and the address of the run that holds it
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
  throw new Error(`${file} cannot be taken: others take it at the same time. Try again.`)
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
        `Parley is running here already: pid ${holder.pid}, ${holder.address}\n` +
          `Stop it with Ctrl-C in its terminal or \`kill ${holder.pid}\`. For a second one beside it, set PARLEY_HOME and --port.`,
      )
    }
    if (holder.stopping && !told) print(`Waiting for the run before this one to stop (pid ${holder.pid})`)
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

/** Puts the own text in a stale one's place. Of several that do so at once the last one has it, and the others see that. */
async function takeOver(file: string, text: string): Promise<boolean> {
  await replace(file, text)
  await delay(SETTLE_MS)
  return (await readFile(file, 'utf8').catch(() => '')) === text
}

/** Changes the file in one step: nobody ever reads half of it. */
async function replace(file: string, text: string): Promise<void> {
  const draft = `${file}.${process.pid}.${randomUUID()}`
  await writeFile(draft, text)
  await rename(draft, file)
}

/** When a process began, as an opaque text that a later process of the same number does not share; undefined if none. */
export function beginningOf(pid: number): string | undefined {
  try {
    // The 22nd field, counted from behind the name, which is in parentheses and may hold anything.
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
