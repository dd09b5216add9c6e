import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isRunning } from '@parley/local/services'
import type { StartedService } from './global-setup.ts'

const NAME = /^parley-tests-(\d+)-/

/**
 * Makes a folder under `parent` for all that a run of tests writes, and takes those away that killed runs have left there: each
 * holds a database or more. Stopping it removes it.
 * @param pid the process whose end is that of the run
 */
export async function openRunFolder(parent: string, pid: number = process.pid): Promise<StartedService<string>> {
  for (const name of await readdir(parent)) {
    const owner = Number(NAME.exec(name)?.[1])
    // Another user's cannot be removed.
    if (owner > 0 && !isRunning(owner)) await remove(join(parent, name)).catch(() => undefined)
  }
  const folder = await mkdtemp(join(parent, `parley-tests-${pid}-`))
  // Under root Postgres has an account of its own, which must get in.
  await chmod(folder, 0o755)
  return { value: folder, stop: () => remove(folder) }
}

/** Servers may write to the end. */
function remove(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true, maxRetries: 5 })
}
