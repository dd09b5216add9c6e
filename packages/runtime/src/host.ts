import type { IncomingMessage } from 'node:http'

/**
 * Whether a request has the required number of Host headers: one, or at most one before HTTP/1.1. Node itself refuses a request
 * without one (`requireHostHeader`), but with an empty answer, and of two headers it silently uses the first.
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-3.2
 */
export function namesHost({ rawHeaders, httpVersion }: Pick<IncomingMessage, 'rawHeaders' | 'httpVersion'>): boolean {
  const hosts = rawHeaders.filter(
    (name, at) => at % 2 === 0 && name.length === 4 && name.toLowerCase() === 'host',
  ).length
  return hosts === 1 || (hosts === 0 && httpVersion === '1.0')
}
