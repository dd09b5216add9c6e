import type { OutgoingHttpHeaders } from 'node:http'

/** What the object store's settings say of where browsers reach it. */
export interface StorageAddress {
  S3_ENDPOINT?: string | undefined
  S3_PUBLIC_ENDPOINT?: string | undefined
  S3_REGION?: string | undefined
  S3_BUCKET?: string | undefined
  S3_FORCE_PATH_STYLE?: string | undefined
}

/**
 * The origin at which browsers read and write attachments: that of the signed addresses. Undefined where the settings
 * name none.
 */
export function storageOrigin(settings: StorageAddress): string | undefined {
  const { S3_REGION: region, S3_BUCKET: bucket } = settings
  const endpoint =
    settings.S3_PUBLIC_ENDPOINT || settings.S3_ENDPOINT || (region && `https://s3.${region}.amazonaws.com`)
  const url = endpoint ? URL.parse(endpoint) : null
  if (url === null || !bucket) return undefined
  if (!/^(true|1|yes|on)$/i.test(settings.S3_FORCE_PATH_STYLE ?? '')) url.hostname = `${bucket}.${url.hostname}`
  return url.origin
}

/** A host name or address with its port, as browsers send it; nothing that could end a directive. */
const PLAIN_HOST = /^[\w.-]+(:\d+)?$|^\[[\da-f:]+\](:\d+)?$/i

/**
 * The headers of the web client's files. Nothing runs, loads or connects but what comes from the page's own origin and from
 * the object store; text never becomes script (Trusted Types).
 *
 * @param host the request's Host, for browsers that take no `'self'` for websockets
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
