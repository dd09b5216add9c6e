import type { RedisClient } from '@parley/redis'
import { createTestRedis, redisClient } from '@parley/testkit'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { PublishedWatermark, readWatermarks } from '../src/watermark.ts'

let server: Awaited<ReturnType<typeof createTestRedis>>
let redis: RedisClient
beforeAll(async () => {
  server = await createTestRedis()
  redis = await redisClient(server.url)
})
afterAll(async () => {
  redis?.disconnect()
  await server?.[Symbol.asyncDispose]()
})

const UNSURE = new Error('the connection broke')

async function watermark(epoch: string, leaseMs = 15_000) {
  const mark = new PublishedWatermark({
    redis,
    epoch,
    leaseMs,
    intervalMs: 10,
    isUnsure: (error) => error === UNSURE,
    onError: (error) => expect.unreachable(String(error)),
  })
  await mark.start()
  return mark
}

const marksOf = async (epoch: string) => (await readWatermarks(redis)).filter(({ origin }) => origin.startsWith(epoch))

it('rises with each published batch, but not past an unpublished one', async () => {
  const mark = await watermark('a')
  const first = Promise.withResolvers<boolean>()
  await mark.cover(async (_origin, _batch, publishing) => publishing(first.promise))
  await mark.cover(async () => undefined)
  await expect.poll(() => marksOf('a')).toEqual([{ origin: 'a.0', batch: 0 }])
  first.resolve(true)
  await expect.poll(() => marksOf('a')).toEqual([{ origin: 'a.0', batch: 2 }])
  await mark.stop()
})

it('abandons an origin after a commit with an unknown outcome', async () => {
  const mark = await watermark('b')
  // Two concurrent batches lead to one new origin only.
  const covers = [0, 1].map(() => mark.cover(() => Promise.reject(UNSURE)))
  for (const cover of covers) await expect(cover).rejects.toBe(UNSURE)
  await expect.poll(() => marksOf('b')).toEqual([{ origin: 'b.1', batch: 0 }])
  expect(await mark.cover(async (origin, batch) => `${origin}/${batch}`)).toBe('b.1/1')
  await mark.stop()
})

it('abandons an origin if Redis did not accept a publish', async () => {
  const mark = await watermark('c')
  await mark.cover(async (_origin, _batch, publishing) => publishing(Promise.resolve(false)))
  await expect.poll(() => marksOf('c')).toEqual([{ origin: 'c.1', batch: 0 }])
  await mark.stop()
})

it('keeps batches of a new origin apart from those of the previous one still in progress', async () => {
  const mark = await watermark('g')
  const under = async (taken: Promise<boolean>, error?: Error) => {
    const cover = mark.cover(async (_origin, _batch, publishing) => {
      publishing(taken)
      if (error !== undefined) throw error
    })
    await cover.catch(() => undefined)
  }
  const [old, first, second] = [0, 1, 2].map(() => Promise.withResolvers<boolean>())
  await under(Promise.resolve(true))
  await under(old?.promise ?? Promise.resolve(true))
  await under(Promise.resolve(true), UNSURE)
  await under(first?.promise ?? Promise.resolve(true))
  await under(second?.promise ?? Promise.resolve(true))
  old?.resolve(true)
  first?.resolve(true)
  await new Promise(setImmediate)
  await mark.stop()
  expect(await marksOf('g')).toEqual([{ origin: 'g.1', batch: 1 }])
})

it('keeps its origin if a batch was refused', async () => {
  const mark = await watermark('d')
  const refused = new Error('not null')
  await expect(mark.cover(() => Promise.reject(refused))).rejects.toBe(refused)
  await expect.poll(() => marksOf('d')).toEqual([{ origin: 'd.0', batch: 1 }])
  await mark.stop()
})

it('expires when its process is gone', async () => {
  const mark = await watermark('e', 60)
  await mark.stop()
  await expect.poll(() => marksOf('e')).toEqual([])
  expect(await redis.sismember('parley:publishers', 'e.0')).toBe(0)
})

it('is renewed even if the clock of its machine is set back', async () => {
  const mark = await watermark('f', 3_000)
  let left = Number.POSITIVE_INFINITY
  const isRenewed = async () => {
    const before = left
    left = await redis.pttl('parley:published:f.0')
    return left > before
  }
  try {
    vi.setSystemTime(Date.now() - 3_600_000)
    await expect.poll(isRenewed).toBe(true)
  } finally {
    vi.useRealTimers()
  }
  expect(await marksOf('f')).toEqual([{ origin: 'f.0', batch: 0 }])
  await mark.stop()
})
