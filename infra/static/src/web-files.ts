import type { IncomingMessage, ServerResponse } from 'node:http'
import sirv from 'sirv'
import { webClientHeaders } from './security-headers.ts'

export interface WebFilesOptions {
  /** The folder of the built web client, with an `index.html`. Read once: files added later are not served. */
  directory: string
  /** The origin at which browsers reach the object store. */
  storageOrigin?: string | undefined
  /** Answers with a failure in the envelope. */
  refuse: (response: ServerResponse, status: number, code: string, message: string) => void
}

const IMMUTABLE = 'public, max-age=31536000, immutable'
const AN_HOUR = 'public, max-age=3600'
/** Files that refer to the others and must be revalidated each time. */
const ALWAYS_ASKED = /^\/(|index\.html|sw\.js)$/

/**
 * Serves the web client's files with their types, ETags, 304 answers and precompressed `.br` and `.gz` variants, and with
 * security headers on every answer. Only files that were in the folder at the start are served, so no path leads out of it.
 */
export function serveWebFiles({ directory, storageOrigin, refuse }: WebFilesOptions) {
  const files = sirv(directory, { dev: false, etag: true, brotli: true, gzip: true })
  return (pathname: string, request: IncomingMessage, response: ServerResponse): void => {
    for (const [name, value] of Object.entries(webClientHeaders(request.headers.host, storageOrigin))) {
      if (value !== undefined) response.setHeader(name, value)
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      refuse(response, 405, 'NOT_FOUND', 'The files here can only be read.')
      return
    }
    response.setHeader('cache-control', cacheControl(pathname))
    response.setHeader('vary', 'Accept-Encoding')
    // A 304 must include the ETag (RFC 9110 section 15.4.5), which sirv's does not; in all other answers sirv sets its own.
    const asked = request.headers['if-none-match']
    if (asked !== undefined) response.setHeader('etag', asked)
    // The request target may be an absolute URL; sirv expects a path.
    request.url = pathname
    files(request, response, () => {
      response.removeHeader('etag')
      response.setHeader('cache-control', 'no-store')
      refuse(response, 404, 'NOT_FOUND', 'There is nothing at this address.')
    })
  }
}

/** Returns the Cache-Control of a path. Names under /assets/ contain a hash of the content. */
function cacheControl(pathname: string): string {
  if (pathname.startsWith('/assets/')) return IMMUTABLE
  return ALWAYS_ASKED.test(pathname) ? 'no-cache' : AN_HOUR
}
