import type { Attachment, Message, StartedUpload } from '@parley/protocol'
import { ParleyClientError, toClientError } from './errors.ts'
import { type Http, openEnvelope } from './http.ts'
import { randomId } from './random-id.ts'

/** How much of a file is on its way. */
export interface UploadProgress {
  /** Bytes that have left this machine. A form has some hundred bytes besides the file. */
  readonly sentBytes: number
  readonly totalBytes: number
}

export interface UploadOptions {
  /** Called as bytes leave, last with all of them. */
  onProgress?: ((progress: UploadProgress) => void) | undefined
  signal?: AbortSignal | undefined
}

export interface SendFileOptions extends UploadOptions {
  /** Text beside the file. */
  content?: string | undefined
  /** Without it, what the file is found to be. */
  type?: 'FILE' | 'IMAGE' | 'VIDEO' | 'AUDIO' | undefined
  /** The same id in a second try stores the message once. Made by the client where it is not given. */
  clientMessageId?: string | undefined
}

/** Files up to this size travel in one request with their message. Bytes. */
const FORM_BYTES = 8 * 1024 * 1024

/** What has become of a file: it is sent with its message, or it lies in the store for a message to name. */
export type Delivered = { message: Message } | { attachment: Attachment }

/**
 * Brings files to the server: small ones in a form, large ones straight into the store. Where that way is closed the other
 * one is taken, as far as the server lets it, from then on at once.
 */
export class Uploads {
  readonly #http: Http
  /** Files up to this size go in a form. Bytes. */
  #formBytes = FORM_BYTES

  constructor(http: Http) {
    this.#http = http
  }

  /**
   * Brings a file, with its message or for one.
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
   * Puts a file straight into the store, part by part. A message that names its id claims it; what none claims goes after a
   * day.
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
  // Fields first: the server knows them by the time the file begins.
  if (options.content !== undefined) form.set('content', options.content)
  if (options.type !== undefined) form.set('type', options.type)
  form.set('clientMessageId', options.clientMessageId ?? randomId())
  form.set('file', file, file.name)
  // The platform writes the form: as a blob its size is known, and reading it shows how much has gone.
  const whole = new Response(form)
  const contentType = whole.headers.get('content-type') ?? 'multipart/form-data'
  const body = await whole.blob()
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
    // The server would do it in a day.
    await http.send('DELETE', `${path}/${started.id}`).catch(() => undefined)
    throw error
  }
}

/**
 * Browsers say no more of a store that a page may not send to than of one that is away. But that one answers where nobody
 * wants to read what.
 * @param error why nothing was sent
 */
async function isBlocked(http: Http, url: string, error: unknown): Promise<boolean> {
  return toClientError(error).code === 'NETWORK' && (await http.isThere(url))
}

class UploadBlockedError extends ParleyClientError {
  /** What may come in a form instead. Bytes; 0 where an older server does not say. */
  readonly formMaxBytes: number

  constructor(formMaxBytes: number | undefined, cause: unknown) {
    super(
      'UPLOAD_BLOCKED',
      'The browser sends nothing to the store for files: its bucket has no CORS rule for this page.',
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
    throw new ParleyClientError('NETWORK', `The store for files answered ${status}.`, { status })
  }, signal)
}
