import type { IncomingMessage } from 'node:http'
import ipaddr from 'ipaddr.js'

/** Whether `address`, which is `hop` hops away from this process (0: the peer itself), is one of our balancers. */
export type TrustsProxy = (address: string, hop: number) => boolean

/** The number of balancers in front, or their addresses and ranges. */
export type TrustedProxies = number | readonly string[]

/**
 * Parses `2`, or comma-separated addresses and ranges: `10.0.0.0/8, 2001:db8::/32, 192.0.2.7`.
 * @returns undefined for anything else
 */
export function parseTrustedProxies(text: string): TrustedProxies | undefined {
  if (/^\d{1,2}$/.test(text)) return Number(text)
  const ranges = text.split(',').map((part) => part.trim())
  return ranges.every((range) => parseRange(range) !== undefined) ? ranges : undefined
}

/** Returns one rule for both Fastify's `trustProxy` and {@link clientAddress}. */
export function trustsProxy(trusted: TrustedProxies): TrustsProxy {
  if (typeof trusted === 'number') return (_address, hop) => hop < trusted
  const ranges = trusted.map(parseRange).filter((range) => range !== undefined)
  return (text) => {
    const address = parseAddress(text)
    if (address === undefined) return false
    return ranges.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits))
  }
}

/**
 * Returns the client's address: the one seen by the outermost of our own balancers. The client may have written anything
 * further left in X-Forwarded-For itself.
 */
export function clientAddress(request: Pick<IncomingMessage, 'socket' | 'headers'>, trusts: TrustsProxy): string {
  const forwarded = String(request.headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '')
  const path = [request.socket.remoteAddress ?? 'unknown', ...forwarded.reverse()]
  const hop = path.findIndex((address, index) => !trusts(address, index))
  return path[hop === -1 ? path.length - 1 : hop] ?? 'unknown'
}

/**
 * Returns the key under which a client is counted: its IPv4 address, or the first 64 bits of its IPv6 address, as a subscriber
 * has all addresses below those.
 */
export function addressKey(text: string): string {
  const address = parseAddress(text)
  if (address === undefined) return text.slice(0, 64)
  if (address.kind() === 'ipv4') return address.toString()
  const network = address.toByteArray().map((byte, index) => (index < 8 ? byte : 0))
  return `${ipaddr.fromByteArray(network)}/64`
}

function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  return ipaddr.isValid(text) ? ipaddr.process(text) : undefined
}

function parseRange(text: string): [ipaddr.IPv4 | ipaddr.IPv6, number] | undefined {
  if (ipaddr.isValidCIDR(text)) return ipaddr.parseCIDR(text)
  // Not the legacy short forms (`10`, `0x7f.1`), which are usually mistakes.
  if (!ipaddr.IPv4.isValidFourPartDecimal(text) && !ipaddr.IPv6.isValid(text)) return undefined
  const address = ipaddr.process(text)
  return [address, address.kind() === 'ipv4' ? 32 : 128]
}
