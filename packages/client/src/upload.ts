import type { Message } from '@parley/protocol'
import { ParleyClientError, toClientError } from './errors.ts'
import { type Http, openEnvelope } from './http.ts'

/** How much of a file is on its way. */
export interface UploadProgress {
  /** Bytes that have left this machine, the form's own few hundred included. */
  readonly sentBytes: number
  readonly totalBytes: number
}

export interface UploadOptions {
  /** Text beside the file. */
  content?: string
  /** FILE by default where the server does not know better. */
  type?: 'FILE' | 'IMAGE' | 'VIDEO' | 'AUDIO'
  /** Called several times a second, last with everything sent. */
  onProgress?: (progress: UploadProgress) => void
  signal?: AbortSignal
  /** The same id in a second try stores the message once. Made by the client where it is not given. */
  clientMessageId?: string
}

/**
 * Sends a file as a message, in one request. Progress comes from XMLHttpRequest where there is one (browsers), else from
 * the body's stream as it is read (Node).
 */
export async function upload(http: Http, conversationId: string, file: File, options: UploadOptions): Promise<Message> {
  const form = new FormData()
  // Fields first: the server knows them by the time the file begins.
  if (options.content !== undefined) form.set('content', options.content)
  if (options.type !== undefined) form.set('type', options.type)
  form.set('clientMessageId', options.clientMessageId ?? crypto.randomUUID())
  form.set('file', file, file.name)
  const path = `/api/messages/conversations/${conversationId}/messages`
  const once = (token: string) =>
    typeof XMLHttpRequest === 'undefined'
      ? viaFetch(http, path, token, form, options)
      : viaXhr(http.address(path), token, form, options)
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

function viaXhr(url: string, token: string, form: FormData, { onProgress, signal }: UploadOptions): Promise<Message> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted())
    const request = new XMLHttpRequest()
    const abort = () => request.abort()
    request.open('POST', url)
    request.setRequestHeader('authorization', `Bearer ${token}`)
    request.upload.onprogress = ({ loaded, total }) => onProgress?.({ sentBytes: loaded, totalBytes: total })
    request.onload = () => {
      try {
        resolve(openEnvelope<Message>(request.status, request.responseText).data)
      } catch (error) {
        reject(error)
      }
    }
    request.onerror = () => reject(new ParleyClientError('NETWORK', 'The upload did not get through.'))
    request.onabort = () => reject(aborted())
    request.onloadend = () => signal?.removeEventListener('abort', abort)
    signal?.addEventListener('abort', abort)
    request.send(form)
  })
}

async function viaFetch(
  http: Http,
  path: string,
  token: string,
  form: FormData,
  options: UploadOptions,
): Promise<Message> {
  const { onProgress, signal } = options
  // The platform writes the multipart form; reading it through shows how much has gone.
  const whole = new Response(form)
  const contentType = whole.headers.get('content-type') ?? 'multipart/form-data'
  const body = await whole.blob()
  const totalBytes = body.size
  let sentBytes = 0
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      sentBytes += chunk.byteLength
      onProgress?.({ sentBytes, totalBytes })
      controller.enqueue(chunk)
    },
  })
  const init: RequestInit & { duplex: 'half' } = {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': contentType, 'content-length': String(totalBytes) },
    body: body.stream().pipeThrough(counter),
    duplex: 'half',
    signal: signal ?? null,
  }
  try {
    const answer = await http.fetch(http.address(path), init)
    return openEnvelope<Message>(answer.status, await answer.text()).data
  } catch (error) {
    throw signal?.aborted ? aborted(error) : toClientError(error)
  }
}

function aborted(cause?: unknown): ParleyClientError {
  return new ParleyClientError('ABORTED', 'The upload was aborted.', cause === undefined ? {} : { cause })
}
