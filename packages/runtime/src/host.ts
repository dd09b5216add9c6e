import type { IncomingMessage } from 'node:http'

/**
 * Whether a request names its host as often as it has to: once, and before HTTP/1.1 at most once. Node looks whether there is
 * one, refuses the others without a word (`requireHostHeader`), and of two passes the first on.
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-3.2
 */
export function namesHost({ rawHeaders, httpVersion }: Pick<IncomingMessage, 'rawHeaders' | 'httpVersion'>): boolean {
  const hosts = rawHeaders.filter(
    (name, at) => at % 2 === 0 && name.length === 4 && name.toLowerCase() === 'host',
  ).length
  return hosts === 1 || (hosts === 0 && httpVersion === '1.0')
}
