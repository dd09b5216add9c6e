import { lookup as resolve } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'

/*
 * Addresses that users give us to call. Only public ones are called: neither this machine nor the network around it, by
 * whatever spelling or name.
 */

const GLOBAL_IPV6 = ipaddr.IPv6.parse('2000::')

export interface OutboundPolicy {
  /** Also this machine itself, for tests. */
  allowLoopback: boolean
}

/** An address that a user gave may not be called. */
export class ForbiddenAddressError extends Error {
  override readonly name = 'ForbiddenAddressError'
  readonly code = 'EADDRFORBIDDEN'
}

/**
 * Whether an IP address may be called: global unicast only. Not so are private, loopback, link-local, carrier-grade NAT,
 * unique-local, multicast, reserved and documentation ranges, nor an IPv6 address that holds an IPv4 address (mapped,
 * NAT64, 6to4, Teredo).
 */
function isAllowedAddress(address: string, { allowLoopback }: OutboundPolicy): boolean {
  if (!ipaddr.isValid(address)) return false
  const parsed = ipaddr.parse(address)
  const range = parsed.range()
  if (range === 'loopback') return allowLoopback
  // IPv6 has handed out nothing but 2000::/3 to be reached (RFC 4291); what is outside is left over from older times.
  return range === 'unicast' && (parsed instanceof ipaddr.IPv4 || parsed.match(GLOBAL_IPV6, 3))
}

/**
 * Checks the host of a URL as far as that goes without asking the DNS: an IP address, or a name that means this machine.
 * URL has brought odd spellings of an IPv4 address (octal, hexadecimal, one number) to their usual form.
 */
export function isAllowedHost(hostname: string, policy: OutboundPolicy): boolean {
  const bare = hostname.replace(/^\[|\]$/g, '')
  if (isIP(bare) !== 0) return isAllowedAddress(bare, policy)
  const name = bare.toLowerCase().replace(/\.$/, '')
  if (name === 'localhost' || name.endsWith('.localhost')) return policy.allowLoopback
  return name.includes('.') && !/\.(local|internal|home\.arpa)$/.test(name)
}

/**
 * A `lookup` for sockets that answers with allowed addresses only. The socket connects to what was checked here: a name
 * that answers differently a moment later (DNS rebinding) gains nothing by it.
 */
export function guardedLookup(policy: OutboundPolicy): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '', 0)
      const [first, ...others] = addresses.filter(({ address }) => isAllowedAddress(address, policy))
      if (first === undefined) {
        return callback(new ForbiddenAddressError(`${hostname} has no address that may be called`), '', 0)
      }
      if (options.all) callback(null, [first, ...others])
      else callback(null, first.address, first.family)
    })
  }
}
