import type { Attachment, Message, StartedUpload } from '@parley/protocol'
import { ParleyClientError, toClientError } from './errors.ts'
import { type Http, openEnvelope } from './http.ts'
import { randomId } from './random-id.ts'
import { transfer } from './transfer.ts'

/** How much of a file is on its way. */
export interface UploadProgress {
  /** Bytes that have left this machine. A form has some hundred bytes besides the file. */
  readonly sentBytes: number
  readonly totalBytes: number
}

export interface UploadOptions {
  /** Called as bytes leave, last with all of them. */
  onProgress?: (progress: UploadProgress) => void
  signal?: AbortSignal
}

export interface SendFileOptions extends UploadOptions {
  /** Text beside the file. */
  content?: string
  /** Without it, what the file is found to be. */
  type?: 'FILE' | 'IMAGE' | 'VIDEO' | 'AUDIO'
  /** The same id in a second try stores the message once. Made by the client where it is not given. */
  clientMessageId?: string
}

/** A part of a direct upload is tried so often in all. */
const PART_TRIES = 3

/** Sends a file together with its message, as one form. */
export async function sendForm(
  http: Http,
  conversationId: string,
  file: File,
  options: SendFileOptions,
): Promise<Message> {
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
  const once = async (token: string) => {
    const answer = await transfer({
      method: 'POST',
      url: http.address(`/api/messages/conversations/${conversationId}/messages`),
      headers: { authorization: `Bearer ${token}`, 'content-type': contentType },
      body,
      onSent: (sentBytes) => options.onProgress?.({ sentBytes, totalBytes: body.size }),
      signal: options.signal,
      fetch: http.fetch,
    })
    return openEnvelope<Message>(answer.status, answer.text).data
  }
  const token = await http.tokens.get()
  try {
    return await once(token)
  } catch (error) {
    const known = toClientError(error)
    if (!known.isTokenProblem) throw known
    http.tokens.reject(token)
    return once(await http.tokens.get())
  }
}

/**
 * Puts a file straight into the store, part by part. A message that names its id claims it; what none claims goes after
 * a day.
 */
export async function uploadAttachment(
  http: Http,
  conversationId: string,
  file: File,
  { onProgress, signal }: UploadOptions,
): Promise<Attachment> {
  const path = `/api/messages/conversations/${conversationId}/attachments`
  const body = { fileName: file.name, fileSize: file.size }
  const { data: started } = await http.send<StartedUpload>('POST', path, { body, signal })
  try {
    let done = 0
    for (const part of started.parts) {
      await putPart(http, file.slice(part.offset, part.offset + part.size), part.url, signal, (bytes) =>
        onProgress?.({ sentBytes: done + bytes, totalBytes: file.size }),
      )
      done += part.size
    }
    const completed = await http.send<Attachment>('POST', `${path}/${started.id}/complete`, { signal })
    return completed.data
  } catch (error) {
    // The server would do it in a day.
    await http.send('DELETE', `${path}/${started.id}`).catch(() => undefined)
    throw error
  }
}

async function putPart(
  http: Http,
  body: Blob,
  url: string,
  signal: AbortSignal | undefined,
  onSent: (bytes: number) => void,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      const { status } = await transfer({ method: 'PUT', url, headers: {}, body, onSent, signal, fetch: http.fetch })
      if (status >= 200 && status < 300) return
      throw new ParleyClientError('NETWORK', `The store for files answered ${status}.`, { status })
    } catch (error) {
      const known = toClientError(error)
      if (!known.retryable || attempt === PART_TRIES) throw known
    }
  }
}
