import { SettingsError } from '@parley/runtime/config'
import type { ClusterNode, RedisOptions } from 'ioredis'

/**
 * Where Redis is: the URL of a lone one, or the URLs of some nodes of a Redis Cluster, the others being learnt from them.
 * A text with commas is such a list too.
 */
export type RedisAddress = string | readonly string[]

/**
 * The address that the settings give. REDIS_CLUSTER tells where one URL stands for a whole cluster.
 * @throws SettingsError where its nodes do not go together
 */
export function redisAddress(settings: { REDIS_URL: string; REDIS_CLUSTER: boolean }): RedisAddress {
  const urls = urlsOf(settings.REDIS_URL)
  const [first = ''] = urls
  const address = settings.REDIS_CLUSTER || urls.length > 1 ? urls : first
  parseAddress(address)
  return address
}

/** A lone Redis as its URL, a cluster as its nodes and how to log in to each. */
export type ParsedAddress =
  | { kind: 'lone'; url: string }
  | { kind: 'cluster'; nodes: ClusterNode[]; login: Pick<RedisOptions, 'username' | 'password' | 'tls'> }

/** @throws SettingsError where nodes of a cluster differ in user, password or TLS, or name a database: it has one of each */
export function parseAddress(address: RedisAddress): ParsedAddress {
  const urls = typeof address === 'string' ? urlsOf(address) : address
  const [first] = urls
  if (first === undefined) throw new Error('No address of a Redis')
  if (typeof address === 'string' && urls.length === 1) return { kind: 'lone', url: first }
  const nodes = urls.map((url) => new URL(url))
  const [{ protocol, username, password } = new URL(first)] = nodes
  if (nodes.some((node) => node.protocol !== protocol || node.username !== username || node.password !== password)) {
    throw refusal('it should have the same scheme, user and password for all nodes of a Redis Cluster')
  }
  if (nodes.some((node) => !['', '/', '/0'].includes(node.pathname))) {
    throw refusal('it should name no database, of which a Redis Cluster has none but 0')
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

/** IPv6 without the brackets that a URL puts around it. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1')
}
