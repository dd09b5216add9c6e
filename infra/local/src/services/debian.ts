import { execFile } from 'node:child_process'
import { access } from 'node:fs/promises'
import { promisify } from 'node:util'
import type { Log } from './keep.ts'

const run = promisify(execFile)
const INSTALL_BOUND_MS = 300_000

/** Installs a package with apt-get, if this is Debian or a derivative and runs as root. Logs that it does, and failures. */
export async function installFromDebian(name: string, log: Log): Promise<void> {
  if (process.getuid?.() !== 0) return
  const hasApt = await access('/etc/debian_version').then(
    () => true,
    () => false,
  )
  if (!hasApt) return
  log(`No ${name} found: installing one with apt-get install ${name}`)
  // RUNLEVEL=1 keeps the package from starting its own server on the default port.
  const options = {
    timeout: INSTALL_BOUND_MS,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
  }
  try {
    await run('apt-get', ['update', '-qq'], options)
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', name], options)
  } catch (error) {
    log(`apt-get could not install it: ${reasonOf(error)}`)
  }
}

/** Returns the most informative line of a failed command's output. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error && 'stderr' in error ? `${error.message}\n${error.stderr}` : String(error)
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  return lines.findLast((line) => /^(E:|\w*Error:|npm error)/.test(line)) ?? lines[0] ?? 'no reason given'
}
