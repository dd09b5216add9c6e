import { requireRights } from '@parley/redis'
import { expect, it, vi } from 'vitest'
import { ownRedis, redisClient } from '../src/index.ts'

it('warns if Redis may evict data that must be kept', async () => {
  await using redis = await ownRedis()
  const client = await redisClient(redis.url)
  const logger = { warn: vi.fn() }
  await requireRights(client, logger)
  expect(logger.warn).not.toHaveBeenCalled()
  await client.call('CONFIG', 'SET', 'maxmemory', '1', 'maxmemory-policy', 'volatile-lru')
  await requireRights(client, logger)
  const reason = 'maxmemory-policy is volatile-lru and should be noeviction'
  expect(logger.warn.mock.calls).toEqual([[{ reason }, 'Redis may evict data that must be kept']])
  client.disconnect()
})
