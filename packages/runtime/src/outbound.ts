import { type LookupAddress, lookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { Recent } from './recent.ts'

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
 *
 * Node looks up two names at a time and gives none of them up, though the socket that asked has timed out: of each name one
 * look-up is under way at most, and a name that has answered waits for no other.
 */
export function guardedLookup(policy: OutboundPolicy): LookupFunction {
  const names = new Names()
  return (hostname, options, callback) => {
    const answer = (found: readonly LookupAddress[]) => {
      const [first, ...others] = found.filter(({ address }) => isAllowedAddress(address, policy))
      if (first === undefined) {
        return callback(new ForbiddenAddressError(`${hostname} has no address that may be called`), '', 0)
      }
      if (options.all) callback(null, [first, ...others])
      else callback(null, first.address, first.family)
    }
    names.look(hostname).then(answer, (error) => callback(error, '', 0))
  }
}

/** An answer counts for so long; it does, too, for so long in all while a newer one is on its way. Milliseconds. */
const FRESH_MS = 30_000
const KEPT_MS = 3_600_000
/** Names whose answers are kept at least. */
const NAMES_KEPT = 500

/** The addresses of names, asked for once at a time. */
class Names {
  readonly #known = new Recent<string, { addresses: readonly LookupAddress[]; at: number }>(NAMES_KEPT)
  readonly #underWay = new Map<string, Promise<readonly LookupAddress[]>>()

  /** Rejects with what the DNS says of a name that it does not know. */
  async look(hostname: string): Promise<readonly LookupAddress[]> {
    const known = this.#known.get(hostname)
    const ageMs = performance.now() - (known?.at ?? Number.NEGATIVE_INFINITY)
    if (known !== undefined && ageMs < FRESH_MS) return known.addresses
    const asked = this.#underWay.get(hostname) ?? this.#ask(hostname)
    if (known === undefined || ageMs >= KEPT_MS) return asked
    asked.catch(() => undefined)
    return known.addresses
  }

  #ask(hostname: string): Promise<readonly LookupAddress[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly LookupAddress[]>()
    this.#underWay.set(hostname, promise)
    lookup(hostname, { all: true }, (error, addresses) => {
      this.#underWay.delete(hostname)
      // What is known no longer holds where there is no such name, and does where nobody could say.
      if (error?.code === 'ENOTFOUND') this.#known.delete(hostname)
      if (error) return reject(error)
      this.#known.set(hostname, { addresses, at: performance.now() })
      resolve(addresses)
    })
    return promise
  }
}
