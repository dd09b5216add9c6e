import { randomUUID } from 'node:crypto'
import { redisCluster } from '@parley/testkit'
import { expect, it } from 'vitest'
import { createProducer, Dead, startConsumer } from '../src/index.ts'

it('resumes after all nodes of a Redis Cluster were down at once', async () => {
  await using redis = await redisCluster()
  const done: string[] = []
  const unwanted = async () => {
    throw new Dead('not expected here')
  }
  const close = async (_data: unknown, jobId: string) => void done.push(jobId)
  const onError = () => undefined
  const handlers = { message: unwanted, device: unwanted, digest: unwanted, close }
  const producer = createProducer('push', { address: redis.url, onError })
  const consumer = startConsumer('push', { address: redis.url, handlers, concurrency: 4, onError })
  const add = async (id: string) => {
    await producer.add([{ name: 'close', id, data: { userId: 'u', conversationId: randomUUID() } }])
    return true
  }
  try {
    // Commands are rejected until the cluster is connected.
    await expect.poll(() => add('before').catch(() => false), { timeout: 10_000 }).toBe(true)
    await expect.poll(() => done, { timeout: 10_000 }).toEqual(['before'])
    await redis.kill()
    await redis.start()
    await expect.poll(() => add('after').catch(() => false), { timeout: 20_000 }).toBe(true)
    await expect.poll(() => done, { timeout: 20_000 }).toEqual(['before', 'after'])
  } finally {
    await consumer.stop(2_000)
    await producer.close()
  }
})
