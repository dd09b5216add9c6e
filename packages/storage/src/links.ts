import type { StoredAttachment } from '@parley/protocol'
import { Recent } from '@parley/runtime/recent'
import { contentDisposition, servedType } from './delivery.ts'
import { credentialsOf, objectKey, publicLocationOf, type StorageSettings } from './options.ts'
import { Presigner } from './presign.ts'

/** The minimum number of URLs to keep, some 800 bytes each. */
const CACHE_SIZE = 5_000

/**
 * URLs from which clients fetch attachments.
 *
 * They are presigned S3 URLs, made locally, rather than URLs of this API that check a token and redirect: an <img> sends no
 * token; S3 handles the bytes, ranges and caching, however many pods there are; and an API behind a balancer need not know its
 * public name. Such a URL cannot be revoked when a person leaves a conversation, but it expires within ATTACHMENT_URL_SECONDS,
 * and only members get a new one.
 */
export class SignedLinks {
  readonly #presigner: Presigner
  readonly #lifetime: number
  readonly #now: () => number
  readonly #cache = new Recent<string, { at: number; url: string }>(CACHE_SIZE)

  constructor(settings: StorageSettings, now: () => number = Date.now) {
    this.#presigner = new Presigner(publicLocationOf(settings), credentialsOf(settings))
    this.#lifetime = settings.ATTACHMENT_URL_SECONDS
    this.#now = now
  }

  /**
   * Returns a URL valid for `ATTACHMENT_URL_SECONDS` from the start of the current quarter of that time. All processes return
   * the same URL within a quarter, so browsers find the file in their cache.
   */
  urlOf(conversationId: string, attachment: StoredAttachment): string {
    const quarter = Math.floor(this.#lifetime / 4) * 1_000
    const at = Math.floor(this.#now() / quarter) * quarter
    const cached = this.#cache.get(attachment.id)
    if (cached?.at === at) return cached.url
    const url = this.sign('GET', conversationId, attachment, at)
    this.#cache.set(attachment.id, { at, url })
    return url
  }

  /** Returns a URL valid from `at` (milliseconds since 1970) on, for this method only. */
  sign(method: 'GET' | 'HEAD', conversationId: string, attachment: StoredAttachment, at = this.#now()): string {
    return this.#presigner.presign({
      method,
      key: objectKey(conversationId, attachment.id),
      query: {
        'response-content-disposition': contentDisposition(attachment.fileType, attachment.fileName),
        'response-content-type': servedType(attachment.fileType),
      },
      at,
      expiresIn: this.#lifetime,
    })
  }
}
