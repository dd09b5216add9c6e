import { expect, it } from 'vitest'
import { parseAddress, redisAddress } from '../src/address.ts'

const parsed = (REDIS_URL: string, REDIS_CLUSTER = false) => parseAddress(redisAddress({ REDIS_URL, REDIS_CLUSTER }))

it('reads several URLs as a cluster, and one as a standalone Redis unless REDIS_CLUSTER is set', () => {
  expect(parsed('redis://a:1/2')).toEqual({ kind: 'standalone', url: 'redis://a:1/2' })
  expect(parsed('redis://a', true)).toEqual({ kind: 'cluster', nodes: [{ host: 'a', port: 6_379 }], login: {} })
  expect(parsed('rediss://me:p%40ss@[::1]:7000, rediss://me:p%40ss@b')).toEqual({
    kind: 'cluster',
    nodes: [
      { host: '::1', port: 7_000 },
      { host: 'b', port: 6_379 },
    ],
    login: { username: 'me', password: 'p@ss', tls: {} },
  })
})
