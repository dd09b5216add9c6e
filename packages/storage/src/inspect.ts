import { ParleyError } from '@parley/protocol'
import { credentialsOf, locationOf, objectKey, type StorageSettings } from './options.ts'
import { requireSize, requireType } from './policy.ts'
import { OWN_USE_SECONDS, Presigner } from './presign.ts'
import { HEAD_BYTES, sniffType } from './sniff.ts'

/** How long to wait for the store, in milliseconds. */
const ANSWER_MS = 5_000

/** Inspects objects in the store. */
export class ObjectInspector {
  readonly #presigner: Presigner
  readonly #settings: StorageSettings

  constructor(settings: StorageSettings) {
    this.#presigner = new Presigner(locationOf(settings), credentialsOf(settings))
    this.#settings = settings
  }

  /**
   * Reads the beginning of an object in one request; its bytes give the type, and Content-Range the size.
   * @throws {ParleyError} FILE_TOO_LARGE, FILE_TYPE_NOT_ALLOWED, ATTACHMENT_NOT_FOUND, STORAGE_UNAVAILABLE
   */
  async inspect(conversationId: string, id: string, fileName: string): Promise<{ size: number; type: string }> {
    const { head, size } = await this.#beginning(objectKey(conversationId, id))
    requireSize(
      fileName,
      size,
      Math.max(this.#settings.ATTACHMENT_MAX_BYTES, this.#settings.ATTACHMENT_DIRECT_MAX_BYTES),
    )
    const type = await sniffType(head, fileName)
    requireType(fileName, type, this.#settings.ATTACHMENT_TYPES)
    return { size, type }
  }

  async #beginning(key: string): Promise<{ head: Uint8Array; size: number }> {
    const url = this.#presigner.presign({ method: 'GET', key, at: Date.now(), expiresIn: OWN_USE_SECONDS })
    try {
      const answer = await fetch(url, {
        headers: { range: `bytes=0-${HEAD_BYTES - 1}` },
        signal: AbortSignal.timeout(ANSWER_MS),
      })
      // An empty object has no first byte: S3 answers 416 with the size.
      const size = Number(
        answer.headers.get('content-range')?.split('/')[1] ?? answer.headers.get('content-length') ?? Number.NaN,
      )
      if (answer.status === 404) throw new ParleyError('ATTACHMENT_NOT_FOUND')
      if ((!answer.ok && answer.status !== 416) || Number.isNaN(size)) {
        throw new Error(`the store answered ${answer.status} to a read`)
      }
      const head = answer.status === 416 ? new Uint8Array() : await firstBytes(answer)
      return { head, size: answer.status === 416 ? 0 : size }
    } catch (error) {
      if (error instanceof ParleyError) throw error
      throw new ParleyError('STORAGE_UNAVAILABLE', { cause: error })
    }
  }
}

/** Returns at most HEAD_BYTES, even if the store ignores the Range header and sends everything. */
async function firstBytes(answer: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of answer.body ?? []) {
    chunks.push(chunk)
    size += chunk.byteLength
    if (size >= HEAD_BYTES) break
  }
  return Buffer.concat(chunks).subarray(0, HEAD_BYTES)
}
