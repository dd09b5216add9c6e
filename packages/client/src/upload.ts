import type { Attachment, Message, StartedUpload } from '@parley/protocol'
import { ParleyClientError, toClientError } from './errors.ts'
import { type Http, openEnvelope } from './http.ts'
import { randomId } from './random-id.ts'

/** Progress of an upload. */
export interface UploadProgress {
  /** Bytes sent so far. A form adds a few hundred bytes to those of the file. */
  readonly sentBytes: number
  readonly totalBytes: number
}

export interface UploadOptions {
  /** Called as bytes are sent; the last call reports all of them. */
  onProgress?: ((progress: UploadProgress) => void) | undefined
  signal?: AbortSignal | undefined
}

export interface SendFileOptions extends UploadOptions {
  /** Text of the message. */
  content?: string | undefined
  /** Default: detected from the file. */
  type?: 'FILE' | 'IMAGE' | 'VIDEO' | 'AUDIO' | undefined
  /** Idempotency key: a message is stored once per id. Default: a random UUID. */
  clientMessageId?: string | undefined
}

/** Files up to this size are sent as a form, in one request with their message. Bytes. */
const FORM_BYTES = 8 * 1024 * 1024

/** Result of a delivery: the message, sent with its file, or an uploaded attachment for a message to reference. */
export type Delivered = { message: Message } | { attachment: Attachment }

/**
 * Uploads files: small ones in a form, large ones directly to object storage. If the browser blocks the latter, forms are used
 * up to the size that the server allows, from then on without another attempt.
 */
export class Uploads {
  readonly #http: Http
  /** Files up to this size are sent as a form. Bytes. */
  #formBytes = FORM_BYTES

  constructor(http: Http) {
    this.#http = http
  }

  /**
   * Sends a file with its message, or uploads it for one.
   * @throws {ParleyClientError} as `sendFile`
   */
  async deliver(conversationId: string, file: File, options: SendFileOptions): Promise<Delivered> {
    const inForm = async () => ({ message: await sendForm(this.#http, conversationId, file, options) })
    if (file.size <= this.#formBytes) {
      try {
        return await inForm()
      } catch (error) {
        if (toClientError(error).code !== 'FILE_TOO_LARGE') throw error
      }
    }
    try {
      return { attachment: await this.upload(conversationId, file, options) }
    } catch (error) {
      if (error instanceof UploadBlockedError && file.size <= error.formMaxBytes) return inForm()
      throw error
    }
  }

  /**
   * Uploads a file directly to object storage, part by part. A message claims it by its id; an unclaimed one is removed after
   * a day.
   * @throws {ParleyClientError} as `upload` of the client
   */
  async upload(conversationId: string, file: File, options: UploadOptions): Promise<Attachment> {
    try {
      return await uploadAttachment(this.#http, conversationId, file, options)
    } catch (error) {
      if (error instanceof UploadBlockedError) this.#formBytes = Math.max(FORM_BYTES, error.formMaxBytes)
      throw error
    }
  }
}

/** Sends a file together with its message, as one form. */
async function sendForm(http: Http, conversationId: string, file: File, options: SendFileOptions): Promise<Message> {
  const form = new FormData()
  // Fields first: the server needs them before the file begins.
  if (options.content !== undefined) form.set('content', options.content)
  if (options.type !== undefined) form.set('type', options.type)
  form.set('clientMessageId', options.clientMessageId ?? randomId())
  form.set('file', file, file.name)
  // Let the platform encode the form: as a blob its size is known and its progress can be counted.
  const encoded = new Response(form)
  const contentType = encoded.headers.get('content-type') ?? 'multipart/form-data'
  const body = await encoded.blob()
  const url = http.address(`/api/messages/conversations/${conversationId}/messages`)
  return http.withToken(async (token) => {
    const answer = await http.transfer({
      method: 'POST',
      url,
      headers: { authorization: `Bearer ${token}`, 'content-type': contentType },
      body,
      onSent: (sentBytes) => options.onProgress?.({ sentBytes, totalBytes: body.size }),
      signal: options.signal,
    })
    return openEnvelope<Message>(answer.status, answer.text).data
  })
}

async function uploadAttachment(
  http: Http,
  conversationId: string,
  file: File,
  { onProgress, signal }: UploadOptions,
): Promise<Attachment> {
  const path = `/api/messages/conversations/${conversationId}/attachments`
  const body = { fileName: file.name, fileSize: file.size }
  const { data: started } = await http.send<StartedUpload>('POST', path, { body, signal })
  let sentBytes = 0
  try {
    for (const { offset, size, url } of started.parts) {
      const onSent = (bytes: number) => {
        sentBytes = offset + bytes
        onProgress?.({ sentBytes, totalBytes: file.size })
      }
      await putPart(http, file.slice(offset, offset + size), url, signal, onSent).catch(async (error) => {
        const blocked = sentBytes === 0 && (await isBlocked(http, url, error))
        throw blocked ? new UploadBlockedError(started.formMaxBytes, error) : error
      })
    }
    const complete = () => http.send<Attachment>('POST', `${path}/${started.id}/complete`, { signal })
    return (await http.again(complete, signal)).data
  } catch (error) {
    // Best effort: the server removes it after a day anyway.
    await http.send('DELETE', `${path}/${started.id}`).catch(() => undefined)
    throw error
  }
}

/**
 * Whether CORS blocked an upload. Browsers report that like a store that is down, but unlike one that is down it answers a
 * `no-cors` request.
 * @param error why nothing was sent
 */
async function isBlocked(http: Http, url: string, error: unknown): Promise<boolean> {
  return toClientError(error).code === 'NETWORK' && (await http.isThere(url))
}

class UploadBlockedError extends ParleyClientError {
  /** Largest file that may be sent as a form instead. Bytes; 0 if an older server does not say. */
  readonly formMaxBytes: number

  constructor(formMaxBytes: number | undefined, cause: unknown) {
    super(
      'UPLOAD_BLOCKED',
      'The browser blocked the upload to object storage: the bucket has no CORS rule for this page.',
      {
        cause,
      },
    )
    this.formMaxBytes = formMaxBytes ?? 0
  }
}

function putPart(
  http: Http,
  body: Blob,
  url: string,
  signal: AbortSignal | undefined,
  onSent: (bytes: number) => void,
): Promise<void> {
  return http.again(async () => {
    const { status } = await http.transfer({ method: 'PUT', url, headers: {}, body, onSent, signal })
    if (status >= 200 && status < 300) return
    throw new ParleyClientError('NETWORK', `Object storage answered ${status}.`, { status })
  }, signal)
}
