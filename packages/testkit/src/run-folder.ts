import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isRunning } from '@parley/local/services'
import type { StartedService } from './global-setup.ts'

const NAME = /^parley-tests-(\d+)-/

/**
 * Creates a folder under `parent` for everything that a test run writes, and removes the folders of killed runs, each of which
 * holds a database or more. Stopping it removes the folder.
 * @param pid the process with which the run ends
 */
export async function openRunFolder(parent: string, pid: number = process.pid): Promise<StartedService<string>> {
  for (const name of await readdir(parent)) {
    const owner = Number(NAME.exec(name)?.[1])
    // Another user's folder cannot be removed.
    if (owner > 0 && !isRunning(owner)) await remove(join(parent, name)).catch(() => undefined)
  }
  const folder = await mkdtemp(join(parent, `parley-tests-${pid}-`))
  // As root, Postgres runs under a separate account, which needs access.
  await chmod(folder, 0o755)
  return { value: folder, stop: () => remove(folder) }
}

/** Retries, since servers may write until they have exited. */
function remove(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true, maxRetries: 5 })
}
