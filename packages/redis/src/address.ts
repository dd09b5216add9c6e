import { SettingsError } from '@parley/runtime/config'
import type { ClusterNode, RedisOptions } from 'ioredis'

/**
 * The address of Redis: the URL of a standalone server, or the URLs of some nodes of a Redis Cluster, which report the others.
 * A comma-separated string also means a cluster.
 */
export type RedisAddress = string | readonly string[]

/**
 * Returns the address given in the settings. REDIS_CLUSTER says that a single URL is a node of a cluster.
 * @throws SettingsError if the URLs are not consistent; see {@link parseAddress}
 */
export function redisAddress(settings: { REDIS_URL: string; REDIS_CLUSTER: boolean }): RedisAddress {
  const urls = urlsOf(settings.REDIS_URL)
  const [first = ''] = urls
  const address = settings.REDIS_CLUSTER || urls.length > 1 ? urls : first
  parseAddress(address)
  return address
}

/** The URL of a standalone server, or a cluster's nodes and the login for all of them. */
export type ParsedAddress =
  | { kind: 'standalone'; url: string }
  | { kind: 'cluster'; nodes: ClusterNode[]; login: Pick<RedisOptions, 'username' | 'password' | 'tls'> }

/** @throws SettingsError if the nodes of a cluster differ in user, password or TLS, or if a URL selects a database */
export function parseAddress(address: RedisAddress): ParsedAddress {
  const urls = typeof address === 'string' ? urlsOf(address) : address
  const [first] = urls
  if (first === undefined) throw new Error('No address of Redis was given')
  if (typeof address === 'string' && urls.length === 1) return { kind: 'standalone', url: first }
  const nodes = urls.map((url) => new URL(url))
  const [{ protocol, username, password } = new URL(first)] = nodes
  if (nodes.some((node) => node.protocol !== protocol || node.username !== username || node.password !== password)) {
    throw refusal('it should have the same scheme, user and password for all nodes of a Redis Cluster')
  }
  if (nodes.some((node) => !['', '/', '/0'].includes(node.pathname))) {
    throw refusal('it should name no database: a Redis Cluster has only database 0')
  }
  return {
    kind: 'cluster',
    nodes: nodes.map((node) => ({ host: hostOf(node), port: Number(node.port || 6_379) })),
    login: {
      ...(username !== '' && { username: decodeURIComponent(username) }),
      ...(password !== '' && { password: decodeURIComponent(password) }),
      ...(protocol === 'rediss:' && { tls: {} }),
    },
  }
}

function refusal(should: string): SettingsError {
  return new SettingsError([{ variable: 'REDIS_URL', message: `is wrong: ${should}` }])
}

function urlsOf(text: string): string[] {
  return text
    .split(',')
    .map((url) => url.trim())
    .filter((url) => url !== '')
}

/** Returns the host without the brackets that a URL puts around an IPv6 address. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1')
}
