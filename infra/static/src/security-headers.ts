import type { OutgoingHttpHeaders } from 'node:http'

/** A host name or address with an optional port, as browsers send it, without characters that could end a directive. */
const PLAIN_HOST = /^[\w.-]+(:\d+)?$|^\[[\da-f:]+\](:\d+)?$/i

/**
 * Returns the security headers of the web client's files. The page may run, load and connect only to its own origin and the
 * object store, and text never becomes script (Trusted Types).
 * @param host the request's Host, for browsers in which `'self'` does not cover WebSockets
 * @param storage the object store's origin, if there is one
 */
export function webClientHeaders(host: string | undefined, storage: string | undefined): OutgoingHttpHeaders {
  const sockets = host !== undefined && PLAIN_HOST.test(host) ? [`ws://${host}`, `wss://${host}`] : []
  const store = storage === undefined ? [] : [storage]
  const policy: Record<string, readonly string[]> = {
    'default-src': ["'none'"],
    'script-src': ["'self'"],
    'style-src': ["'self'"],
    'font-src': ["'self'"],
    'img-src': ["'self'", 'blob:', 'data:', ...store],
    'media-src': ["'self'", 'blob:', ...store],
    'connect-src': ["'self'", ...sockets, ...store],
    'worker-src': ["'self'"],
    'manifest-src': ["'self'"],
    'base-uri': ["'none'"],
    'form-action': ["'none'"],
    'frame-ancestors': ["'self'"],
    'require-trusted-types-for': ["'script'"],
  }
  return {
    'content-security-policy': Object.entries(policy)
      .map(([name, values]) => [name, ...values].join(' '))
      .join('; '),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'permissions-policy': 'camera=(), microphone=(), geolocation=(), payment=(), usb=()',
  }
}
