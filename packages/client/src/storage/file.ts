import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isEntry } from './entry.ts'
import type { OutboxStorage } from './types.ts'

/**
 * Keeps messages in a folder, one file each: `<folder>/<user>/<id>.json`, both names in base64url. Files are written under a
 * temporary name and renamed, so that a partly written one is never read.
 */
export function fileStorage(folder: string): OutboxStorage {
  const folderOf = (userId: string) => join(folder, safe(userId))
  const fileOf = (userId: string, id: string) => join(folderOf(userId), `${safe(id)}.json`)
  return {
    load: async (userId) => {
      const names = await readdir(folderOf(userId)).catch(ifMissing<string[]>([]))
      const files = names.filter((name) => name.endsWith('.json'))
      const read = files.map((name) => readFile(join(folderOf(userId), name), 'utf8').then(parse, ifMissing(null)))
      return (await Promise.all(read)).filter(isEntry)
    },
    put: async (userId, entry) => {
      await mkdir(folderOf(userId), { recursive: true })
      const file = fileOf(userId, entry.clientMessageId)
      await writeFile(`${file}.new`, JSON.stringify(entry))
      await rename(`${file}.new`, file)
    },
    remove: (userId, clientMessageId) => rm(fileOf(userId, clientMessageId), { force: true }),
  }
}

/** Encodes an id as a file name that cannot escape the folder. */
function safe(id: string): string {
  return Buffer.from(id).toString('base64url')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function ifMissing<T>(instead: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT') return instead
    throw error
  }
}
