import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generateVapidPair, type VapidPair } from './vapid.ts'

/** Returns the secret that signs this cluster's tokens. Created once and kept, so that tokens survive a restart. */
export function localJwtSecret(home: string): Promise<string> {
  return keptSecret(home, 'jwt', () => randomBytes(48).toString('base64url'))
}

/** Returns this machine's push keys. Created once and kept, because browsers' subscriptions depend on the public key. */
export async function localVapidPair(home: string): Promise<VapidPair> {
  const kept = await keptSecret(home, 'vapid', () => {
    const { publicKey, privateKey } = generateVapidPair()
    return `${publicKey} ${privateKey}`
  })
  const [publicKey = '', privateKey = ''] = kept.split(/\s+/)
  return { publicKey, privateKey }
}

/** Returns the secret in the file, or creates one. The file is readable by its owner only, whatever the umask. */
async function keptSecret(home: string, name: string, make: () => string): Promise<string> {
  const folder = join(home, 'secrets')
  const file = join(folder, name)
  const kept = (await readFile(file, 'utf8').catch(() => '')).trim()
  if (kept !== '') return kept
  const secret = make()
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await writeFile(file, `${secret}\n`, { mode: 0o600 })
  await chmod(file, 0o600)
  return secret
}
