import { ParleyClientError, toClientError } from './errors.ts'

export interface Transfer {
  method: 'POST' | 'PUT'
  url: string
  headers: Record<string, string>
  body: Blob
  onSent: (bytes: number) => void
  signal: AbortSignal | undefined
  /** Used where there is no XMLHttpRequest. */
  fetch: typeof globalThis.fetch
}

/** Step in which progress is reported where the platform does not report it. */
const CHUNK_BYTES = 64 * 1024

export interface TransferAnswer {
  status: number
  text: string
}

/**
 * Sends a large body and reports progress: by XMLHttpRequest where there is one (browsers, whose fetch reports none), else by
 * counting what fetch reads from a stream (Node). A service worker can do neither, because fetch in browsers streams over
 * HTTP/2 only or not at all: there, only completion is reported. Nothing is retried.
 * @throws {ParleyClientError} NETWORK, ABORTED
 */
export function transfer(request: Transfer): Promise<TransferAnswer> {
  if (typeof XMLHttpRequest !== 'undefined') return viaXhr(request)
  return 'ServiceWorkerGlobalScope' in globalThis ? viaBlob(request) : viaStream(request)
}

function viaXhr({ method, url, headers, body, onSent, signal }: Transfer): Promise<TransferAnswer> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(aborted())
      return
    }
    const request = new XMLHttpRequest()
    const abort = () => request.abort()
    request.open(method, url)
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value)
    request.upload.onprogress = ({ loaded }) => onSent(loaded)
    request.onload = () => resolve({ status: request.status, text: request.responseText })
    request.onerror = () => reject(new ParleyClientError('NETWORK', 'The upload failed.'))
    request.onabort = () => reject(aborted())
    request.onloadend = () => signal?.removeEventListener('abort', abort)
    signal?.addEventListener('abort', abort)
    request.send(body)
  })
}

async function viaBlob(request: Transfer): Promise<TransferAnswer> {
  const answer = await viaFetch(request, { headers: request.headers, body: request.body })
  request.onSent(request.body.size)
  return answer
}

function viaStream(request: Transfer): Promise<TransferAnswer> {
  const { headers, body, onSent } = request
  let sent = 0
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>) => {
    if (sent === body.size) {
      controller.close()
      return
    }
    const chunk = await body.slice(sent, sent + CHUNK_BYTES).arrayBuffer()
    sent += chunk.byteLength
    controller.enqueue(new Uint8Array(chunk))
    onSent(sent)
  }
  // No read-ahead: a chunk is counted only when it is about to be sent.
  const stream = new ReadableStream({ pull }, { highWaterMark: 0 })
  const init: RequestInit & { duplex: 'half' } = {
    headers: { ...headers, 'content-length': String(body.size) },
    body: stream,
    duplex: 'half',
  }
  return viaFetch(request, init)
}

async function viaFetch({ method, url, signal, fetch }: Transfer, init: RequestInit): Promise<TransferAnswer> {
  try {
    const answer = await fetch(url, { ...init, method, signal: signal ?? null })
    return { status: answer.status, text: await answer.text() }
  } catch (error) {
    throw signal?.aborted ? aborted(error) : toClientError(error)
  }
}

function aborted(cause?: unknown): ParleyClientError {
  return new ParleyClientError('ABORTED', 'The upload was aborted.', cause === undefined ? {} : { cause })
}
