import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { Log } from './keep.ts'

const run = promisify(execFile)

/** The account that the Postgres programs run under, and how to wrap their command lines. */
export interface PostgresAccount {
  /** Undefined for this process's own account. */
  owner: { uid: number; gid: number } | undefined
  /** Wraps a command; returns what to spawn. */
  wrap(command: string, args: string[]): { command: string; args: string[] }
}

/**
 * Returns the account to run Postgres under. Postgres refuses to run as root, so root uses the account `postgres`, which is
 * created if it is missing. If that account cannot access the checkout (a clone under /root), setpriv leaves the programs the
 * capability to bypass file permissions, and no other.
 * @param paths files that the account must be able to reach
 */
export async function postgresAccount(paths: string[], log: Log): Promise<PostgresAccount> {
  if (process.getuid?.() !== 0) return { owner: undefined, wrap: (command, args) => ({ command, args }) }
  const owner = (await accountIds()) ?? (await makeAccount(log))
  const closed = (await Promise.all(paths.map((path) => canReach(path, owner)))).includes(false)
  return {
    owner,
    wrap: (command, args) => {
      if (!closed) return { command, args }
      // With this securebit, access(2) honours the capability, too; Postgres uses it to check its programs.
      const rights = ['--inh-caps=-all,+dac_override', '--ambient-caps=-all,+dac_override']
      rights.push('--bounding-set=-all,+dac_override', '--securebits=+no_setuid_fixup', '--no-new-privs')
      const account = [`--reuid=${owner.uid}`, `--regid=${owner.gid}`, '--clear-groups']
      return { command: 'setpriv', args: [...account, ...rights, '--', command, ...args] }
    },
  }
}

async function accountIds(): Promise<{ uid: number; gid: number } | undefined> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', 'postgres']), run('id', ['-g', 'postgres'])])
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
  } catch {
    return undefined
  }
}

async function makeAccount(log: Log): Promise<{ uid: number; gid: number }> {
  log('Postgres refuses to run as root: creating a system account named postgres')
  const ways: [string, string[]][] = [
    ['useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', 'postgres']],
    ['adduser', ['-S', '-D', '-H', 'postgres']],
  ]
  for (const [command, args] of ways) {
    await run(command, args).catch(() => undefined)
    const ids = await accountIds()
    if (ids) return ids
  }
  throw new Error(
    'Postgres refuses to run as root, and no account could be created. Run as another user, or set DATABASE_URL.',
  )
}

/** Returns whether an account may traverse every folder above a path, by the permission bits. */
async function canReach(path: string, account: { uid: number; gid: number }): Promise<boolean> {
  for (let folder = dirname(resolve(path)); ; folder = dirname(folder)) {
    const info = await stat(folder).catch(() => undefined)
    if (info) {
      const shift = info.uid === account.uid ? 6 : info.gid === account.gid ? 3 : 0
      if (((info.mode >> shift) & constants.X_OK) === 0) return false
    }
    if (folder === dirname(folder)) return true
  }
}

/** @throws with advice when a Postgres program was not installed with the packages */
export async function assertExecutable(path: string): Promise<void> {
  await access(path, constants.X_OK).catch(() => {
    throw new Error(`${path} is missing or not executable. Run pnpm install, or set DATABASE_URL.`)
  })
}
