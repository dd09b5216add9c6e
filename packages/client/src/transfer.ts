import { ParleyClientError, toClientError } from './errors.ts'

export interface Transfer {
  method: 'POST' | 'PUT'
  url: string
  headers: Record<string, string>
  body: Blob
  onSent: (bytes: number) => void
  signal: AbortSignal | undefined
  /** For where there is no XMLHttpRequest. */
  fetch: typeof globalThis.fetch
}

/** Progress is told in steps of so many bytes where the platform does not tell it. */
const PIECE_BYTES = 64 * 1024

export interface TransferAnswer {
  status: number
  text: string
}

/**
 * Sends a large body and says how much of it has gone: by XMLHttpRequest where there is one (browsers, whose fetch does
 * not tell), else by counting what fetch reads of a stream (Node). A service worker has neither, for fetch in browsers sends
 * a stream over HTTP/2 at most, and in some not at all: there the end alone is told. Nothing is tried again.
 * @throws {ParleyClientError} NETWORK, ABORTED
 */
export function transfer(request: Transfer): Promise<TransferAnswer> {
  if (typeof XMLHttpRequest !== 'undefined') return viaXhr(request)
  return 'ServiceWorkerGlobalScope' in globalThis ? whole(request) : counted(request)
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
    request.onerror = () => reject(new ParleyClientError('NETWORK', 'The upload did not get through.'))
    request.onabort = () => reject(aborted())
    request.onloadend = () => signal?.removeEventListener('abort', abort)
    signal?.addEventListener('abort', abort)
    request.send(body)
  })
}

async function whole(request: Transfer): Promise<TransferAnswer> {
  const answer = await viaFetch(request, { headers: request.headers, body: request.body })
  request.onSent(request.body.size)
  return answer
}

function counted(request: Transfer): Promise<TransferAnswer> {
  const { headers, body, onSent } = request
  let sent = 0
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>) => {
    if (sent === body.size) {
      controller.close()
      return
    }
    const piece = await body.slice(sent, sent + PIECE_BYTES).arrayBuffer()
    sent += piece.byteLength
    controller.enqueue(new Uint8Array(piece))
    onSent(sent)
  }
  // Read only as it is sent, and not a piece ahead.
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
