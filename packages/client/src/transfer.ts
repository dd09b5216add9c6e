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
 * not tell), else by counting what fetch reads of a stream (Node). Nothing is tried again.
 * @throws {ParleyClientError} NETWORK, ABORTED
 */
export function transfer(request: Transfer): Promise<TransferAnswer> {
  return typeof XMLHttpRequest === 'undefined' ? viaFetch(request) : viaXhr(request)
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

async function viaFetch({ method, url, headers, body, onSent, signal, fetch }: Transfer): Promise<TransferAnswer> {
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
  const counted = new ReadableStream({ pull }, { highWaterMark: 0 })
  const init: RequestInit & { duplex: 'half' } = {
    method,
    headers: { ...headers, 'content-length': String(body.size) },
    body: counted,
    duplex: 'half',
    signal: signal ?? null,
  }
  try {
    const answer = await fetch(url, init)
    return { status: answer.status, text: await answer.text() }
  } catch (error) {
    throw signal?.aborted ? aborted(error) : toClientError(error)
  }
}

function aborted(cause?: unknown): ParleyClientError {
  return new ParleyClientError('ABORTED', 'The upload was aborted.', cause === undefined ? {} : { cause })
}
