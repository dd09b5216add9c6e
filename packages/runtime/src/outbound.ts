import { type LookupAddress, lookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { Recent } from './recent.ts'

/*
 * Protection against server-side request forgery for URLs given by users. Only public addresses may be called: not this
 * machine and not its network, whatever the spelling or name.
 */

const GLOBAL_IPV6 = ipaddr.IPv6.parse('2000::')

export interface OutboundPolicy {
  /** Whether to also allow this machine itself, for tests. */
  allowLoopback: boolean
}

/** An address given by a user is not allowed. */
export class ForbiddenAddressError extends Error {
  override readonly name = 'ForbiddenAddressError'
  readonly code = 'EADDRFORBIDDEN'
}

/**
 * Whether an IP address may be called: global unicast only. This excludes private, loopback, link-local, carrier-grade NAT,
 * unique-local, multicast, reserved and documentation ranges, and IPv6 addresses that embed an IPv4 address (mapped, NAT64,
 * 6to4, Teredo).
 */
function isAllowedAddress(address: string, { allowLoopback }: OutboundPolicy): boolean {
  if (!ipaddr.isValid(address)) return false
  const parsed = ipaddr.parse(address)
  const range = parsed.range()
  if (range === 'loopback') return allowLoopback
  // In IPv6 only 2000::/3 has been assigned for global unicast (RFC 4291).
  return range === 'unicast' && (parsed instanceof ipaddr.IPv4 || parsed.match(GLOBAL_IPV6, 3))
}

/**
 * Checks the host of a URL as far as possible without DNS: an IP address, or a name for this machine or its network. The URL
 * parser has already normalised unusual spellings of IPv4 addresses (octal, hexadecimal, a single number).
 */
export function isAllowedHost(hostname: string, policy: OutboundPolicy): boolean {
  const bare = hostname.replace(/^\[|\]$/g, '')
  if (isIP(bare) !== 0) return isAllowedAddress(bare, policy)
  const name = bare.toLowerCase().replace(/\.$/, '')
  if (name === 'localhost' || name.endsWith('.localhost')) return policy.allowLoopback
  return name.includes('.') && !/\.(local|internal|home\.arpa)$/.test(name)
}

/**
 * Returns a `lookup` for sockets that yields allowed addresses only. The socket connects to the address that was checked here,
 * so a name that resolves differently a moment later (DNS rebinding) gains nothing.
 *
 * Node resolves two names at a time and does not give up on one when the socket that asked has timed out. Therefore at most one
 * lookup per name is in progress, and a name that has been resolved before does not wait for others.
 */
export function guardedLookup(policy: OutboundPolicy): LookupFunction {
  const names = new Names()
  return (hostname, options, callback) => {
    const answer = (found: readonly LookupAddress[]) => {
      const [first, ...others] = found.filter(({ address }) => isAllowedAddress(address, policy))
      if (first === undefined) {
        return callback(new ForbiddenAddressError(`${hostname} has no allowed address`), '', 0)
      }
      if (options.all) callback(null, [first, ...others])
      else callback(null, first.address, first.family)
    }
    names.resolve(hostname).then(answer, (error) => callback(error, '', 0))
  }
}

/** How long a result is used as it is, and how long in all while a new lookup is in progress. Milliseconds. */
const FRESH_MS = 30_000
const STALE_MS = 3_600_000
/** Minimum number of names cached. */
const NAMES_KEPT = 500

/** A DNS cache with one lookup per name at a time. */
class Names {
  readonly #known = new Recent<string, { addresses: readonly LookupAddress[]; at: number }>(NAMES_KEPT)
  readonly #inProgress = new Map<string, Promise<readonly LookupAddress[]>>()

  /** Resolves a name. Rejects with the error of the lookup if nothing usable is cached. */
  async resolve(hostname: string): Promise<readonly LookupAddress[]> {
    const known = this.#known.get(hostname)
    const ageMs = performance.now() - (known?.at ?? Number.NEGATIVE_INFINITY)
    if (known !== undefined && ageMs < FRESH_MS) return known.addresses
    const lookingUp = this.#inProgress.get(hostname) ?? this.#lookUp(hostname)
    if (known === undefined || ageMs >= STALE_MS) return lookingUp
    lookingUp.catch(() => undefined)
    return known.addresses
  }

  #lookUp(hostname: string): Promise<readonly LookupAddress[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly LookupAddress[]>()
    this.#inProgress.set(hostname, promise)
    lookup(hostname, { all: true }, (error, addresses) => {
      this.#inProgress.delete(hostname)
      // If the name does not exist any more, drop the cached result; keep it on any other error.
      if (error?.code === 'ENOTFOUND') this.#known.delete(hostname)
      if (error) return reject(error)
      this.#known.set(hostname, { addresses, at: performance.now() })
      resolve(addresses)
    })
    return promise
  }
}
