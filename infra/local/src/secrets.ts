import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * The secret that tokens of this machine's cluster are signed with: made once and kept, so that tokens outlive a restart.
 * The file is readable by its owner alone, whatever the umask.
 */
export async function localJwtSecret(home: string): Promise<string> {
  const folder = join(home, 'secrets')
  const file = join(folder, 'jwt')
  const kept = (await readFile(file, 'utf8').catch(() => '')).trim()
  if (kept !== '') return kept
  const secret = randomBytes(48).toString('base64url')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await writeFile(file, `${secret}\n`, { mode: 0o600 })
  await chmod(file, 0o600)
  return secret
}
