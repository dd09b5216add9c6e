import type { StoredAttachment } from '@parley/protocol'
import { ObjectInspector } from './inspect.ts'
import { SignedLinks } from './links.ts'
import type { StorageSettings } from './options.ts'

export { bucketCheck } from './bucket-check.ts'

/** What is needed to show and claim attachments. Signing is local; inspecting is one request to S3. */
export interface FileStore {
  urlOf(conversationId: string, attachment: StoredAttachment): string
  /** Returns a URL valid from now on, for this method only. */
  sign(method: 'GET' | 'HEAD', conversationId: string, attachment: StoredAttachment): string
  inspect(conversationId: string, id: string, fileName: string): Promise<{ size: number; type: string }>
}

/** Opens a store for signed URLs and for inspecting objects. It makes no request of its own accord. */
export function openFileStore(settings: StorageSettings): FileStore {
  const links = new SignedLinks(settings)
  const inspector = new ObjectInspector(settings)
  return {
    urlOf: (conversationId, attachment) => links.urlOf(conversationId, attachment),
    sign: (method, conversationId, attachment) => links.sign(method, conversationId, attachment),
    inspect: (conversationId, id, fileName) => inspector.inspect(conversationId, id, fileName),
  }
}
