import type { StoredAttachment } from '@parley/protocol'
import { ObjectInspector } from './inspect.ts'
import { SignedLinks } from './links.ts'
import type { StorageSettings } from './options.ts'

export { bucketCheck } from './bucket-check.ts'

/** What showing and claiming attachments needs of the store; signing is local, inspecting is one request to S3. */
export interface FileStore {
  urlOf(conversationId: string, attachment: StoredAttachment): string
  /** An address that is good from now on; the signature holds for one method. */
  sign(method: 'GET' | 'HEAD', conversationId: string, attachment: StoredAttachment): string
  inspect(conversationId: string, id: string, fileName: string): Promise<{ size: number; type: string }>
}

/** Signed addresses, and a look at a file that a message names. Asks the store nothing by itself. */
export function openFileStore(settings: StorageSettings): FileStore {
  const links = new SignedLinks(settings)
  const inspector = new ObjectInspector(settings)
  return {
    urlOf: (conversationId, attachment) => links.urlOf(conversationId, attachment),
    sign: (method, conversationId, attachment) => links.sign(method, conversationId, attachment),
    inspect: (conversationId, id, fileName) => inspector.inspect(conversationId, id, fileName),
  }
}
