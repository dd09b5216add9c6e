import type { IncomingMessage, ServerResponse } from 'node:http'
import sirv from 'sirv'
import { webClientHeaders } from './security-headers.ts'

export interface WebFilesOptions {
  /** The built web client, with an `index.html`. Read once: files that come later are not seen. */
  directory: string
  /** The origin at which browsers reach the object store. */
  storageOrigin?: string | undefined
  /** Answers with a failure in the envelope. */
  refuse: (response: ServerResponse, status: number, code: string, message: string) => void
}

const IMMUTABLE = 'public, max-age=31536000, immutable'
const AN_HOUR = 'public, max-age=3600'
/** These name the others, and are asked for again each time. */
const ALWAYS_ASKED = /^\/(|index\.html|sw\.js)$/

/**
 * Serves the web client's files: their types, ETags and 304, `.br` and `.gz` beside a file for those who take them, and the
 * security headers on every answer. Only files that were in the folder at the start can be had, so no path leads out of it.
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
    // A 304 has to name the ETag (RFC 9110 section 15.4.5), which sirv's does not; in any other answer sirv puts its own.
    const asked = request.headers['if-none-match']
    if (asked !== undefined) response.setHeader('etag', asked)
    // A request target may be a whole address; sirv looks at the path alone.
    request.url = pathname
    files(request, response, () => {
      response.removeHeader('etag')
      response.setHeader('cache-control', 'no-store')
      refuse(response, 404, 'NOT_FOUND', 'There is nothing at this address.')
    })
  }
}

/** Names under /assets/ have a hash of what is in them. */
function cacheControl(pathname: string): string {
  if (pathname.startsWith('/assets/')) return IMMUTABLE
  return ALWAYS_ASKED.test(pathname) ? 'no-cache' : AN_HOUR
}
