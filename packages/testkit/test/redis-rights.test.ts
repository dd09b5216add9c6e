import { requireRights } from '@parley/redis'
import { expect, it } from 'vitest'
import { ownRedis, redisClient } from '../src/index.ts'

it('says where Redis may evict what is to be kept', async () => {
  await using redis = await ownRedis()
  const client = await redisClient(redis.url)
  expect(await requireRights(client)).toBeUndefined()
  await client.call('CONFIG', 'SET', 'maxmemory', '1', 'maxmemory-policy', 'volatile-lru')
  expect(await requireRights(client)).toBe('maxmemory-policy is volatile-lru and should be noeviction')
  client.disconnect()
})
