import type { StoredAttachment } from '@parley/protocol'
import { Recent } from '@parley/runtime/recent'
import { contentDisposition, servedType } from './delivery.ts'
import { credentialsOf, objectKey, publicLocationOf, type StorageSettings } from './options.ts'
import { Presigner } from './presign.ts'

/** Addresses kept at least, some 800 bytes each. */
const KEPT = 5_000

/**
 * Addresses under which clients fetch attachments.
 *
 * They are S3's own signed ones, made on the spot, and not addresses of this API that check a token and redirect: an <img>
 * sends no token; the bytes, ranges and caching are S3's work, however many pods are up; and an API that stands behind a
 * balancer need not know under which name clients reach it. What the address cannot do is to end when a person leaves:
 * it ends by itself, within ATTACHMENT_URL_SECONDS, and is made anew for members only.
 */
export class SignedLinks {
  readonly #presigner: Presigner
  readonly #life: number
  readonly #now: () => number
  readonly #kept = new Recent<string, { at: number; url: string }>(KEPT)

  constructor(settings: StorageSettings, now: () => number = Date.now) {
    this.#presigner = new Presigner(publicLocationOf(settings), credentialsOf(settings))
    this.#life = settings.ATTACHMENT_URL_SECONDS
    this.#now = now
  }

  /**
   * The address is good for `ATTACHMENT_URL_SECONDS` from the beginning of the running quarter of that time. Within a
   * quarter all processes give out the same one, and so browsers find the file in their cache.
   */
  urlOf(conversationId: string, attachment: StoredAttachment): string {
    const quarter = Math.floor(this.#life / 4) * 1_000
    const at = Math.floor(this.#now() / quarter) * quarter
    const kept = this.#kept.get(attachment.id)
    if (kept?.at === at) return kept.url
    const url = this.sign('GET', conversationId, attachment, at)
    this.#kept.set(attachment.id, { at, url })
    return url
  }

  /** An address that is good from `at` on; the signature holds for one method. */
  sign(method: 'GET' | 'HEAD', conversationId: string, attachment: StoredAttachment, at = this.#now()): string {
    return this.#presigner.presign({
      method,
      key: objectKey(conversationId, attachment.id),
      query: {
        'response-content-disposition': contentDisposition(attachment.fileType, attachment.fileName),
        'response-content-type': servedType(attachment.fileType),
      },
      at,
      expiresIn: this.#life,
    })
  }
}
