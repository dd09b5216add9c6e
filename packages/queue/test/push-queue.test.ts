import { randomUUID } from 'node:crypto'
import { createTestRedis, redisClient, type TestRedis } from '@parley/testkit'
import { Worker } from 'bullmq'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  type Consumer,
  type ConsumerOptions,
  createProducer,
  Dead,
  type Handlers,
  idPart,
  Later,
  type Producer,
  startConsumer,
} from '../src/index.ts'

const DAY_MS = 24 * 3_600_000

let redis: TestRedis
let producer: Producer<'push'>
const errors: unknown[] = []
const onError = (error: unknown) => void errors.push(error)
beforeAll(async () => {
  redis = await createTestRedis()
  producer = createProducer('push', { address: redis.url, onError })
})
afterAll(async () => {
  await producer?.close()
  await redis?.[Symbol.asyncDispose]()
})

// Empty the queue, so that the tests are independent of their order.
afterEach(async () => {
  errors.length = 0
  await producer.queue.obliterate({ force: true })
})

const close = (id = randomUUID()) => ({ name: 'close', id, data: { userId: 'u', conversationId: id } }) as const

async function withConsumer(
  closeJob: Handlers<'push'>['close'],
  work: () => Promise<void>,
  options: Pick<ConsumerOptions<'push'>, 'onDead' | 'onUnknown'> = {},
): Promise<void> {
  const unwanted = async () => {
    throw new Dead('not expected here')
  }
  const handlers = { message: unwanted, device: unwanted, digest: unwanted, close: closeJob }
  const consumer: Consumer = startConsumer('push', {
    address: redis.url,
    handlers,
    concurrency: 4,
    onError,
    ...options,
  })
  try {
    await work()
  } finally {
    await consumer.stop()
  }
}

/** Collects values. @returns `note` to add one, and `all`, which resolves once there are `count` of them */
function calls<T>(count: number): { note: (value: T) => void; all: Promise<T[]> } {
  const { promise: all, resolve } = Promise.withResolvers<T[]>()
  const values: T[] = []
  const note = (value: T) => {
    values.push(value)
    if (values.length === count) resolve(values)
  }
  return { note, all }
}

describe('a queue', () => {
  it('accepts a job id once, even after the job is done', async () => {
    const [first, last] = [close(), close()]
    const { note, all } = calls<string>(2)
    await producer.add([first, first])
    await withConsumer(
      async ({ conversationId }) => note(conversationId),
      async () => {
        await expect.poll(async () => (await producer.counts()).completed).toBe(1)
        await producer.add([first, last])
        expect(await all).toEqual([first.id, last.id])
      },
    )
  })

  it('postpones a job that is not due, without counting an attempt', async () => {
    const { note, all } = calls<number>(2)
    await producer.add([close()])
    let due = 0
    await withConsumer(
      async () => {
        note(Date.now())
        due ||= Date.now() + 300
        if (Date.now() < due) throw new Later(due)
      },
      async () => {
        const [, second = 0] = await all
        expect(second).toBeGreaterThanOrEqual(due)
        expect(errors).toEqual([])
      },
    )
  })

  it('delays a job until its time', async () => {
    const { note, all } = calls<number>(1)
    const added = Date.now()
    await producer.add([{ ...close(), delayMs: 300 }])
    await withConsumer(
      async () => note(Date.now()),
      async () => {
        const [ran = 0] = await all
        expect(ran - added).toBeGreaterThanOrEqual(300)
      },
    )
  })

  it('retries a job that throws after a delay, and keeps a dead job with its reason', async () => {
    const [failing, dead] = [close(), close()]
    const { note, all } = calls<number>(2)
    const given: string[] = []
    let tries = 0
    await producer.add([failing, dead])
    await withConsumer(
      async ({ conversationId }) => {
        if (conversationId === dead.id) throw new Dead('no use')
        note(performance.now())
        tries++
        if (tries === 1) throw new Error('once more')
      },
      async () => {
        const [first = 0, second = 0] = await all
        // The delay is a second, minus jitter of up to a half.
        expect(second - first).toBeGreaterThan(450)
        await expect.poll(() => producer.failed(10)).toMatchObject([{ id: dead.id, name: 'close', reason: 'no use' }])
        await expect.poll(() => given).toEqual(['close no use'])
        expect(errors).toMatchObject([{ message: 'once more' }])
      },
      { onDead: (name, reason) => given.push(`${name} ${reason}`) },
    )
  })

  it('leaves a job with an unknown name or data to a newer worker, and ignores unknown fields', async () => {
    const [named, inherited, shaped, known] = [close(), close(), close(), close()]
    const unknown = calls<string>(3)
    const done = calls<unknown>(1)
    const read = calls<{ id: string | undefined; attemptsMade: number }>(3)
    const later = { ...named, name: 'of a later version' as 'close' }
    await producer.add([
      later,
      { ...inherited, name: 'constructor' as 'close' },
      { ...shaped, data: { userId: 1 } as never },
      { ...known, data: { ...known.data, ofALaterVersion: true } as never },
    ])
    await withConsumer(
      async (data) => done.note(data),
      async () => {
        expect(await done.all).toEqual([known.data])
        expect((await unknown.all).toSorted()).toEqual(['close', 'constructor', 'of a later version'])
      },
      { onUnknown: unknown.note },
    )
    // A process that died, or a repeated round of the outbox, queues it again.
    await producer.add([later])
    const connection = await redisClient(redis.url)
    const newer = new Worker('push', async ({ id, attemptsMade }) => read.note({ id, attemptsMade }), {
      connection,
      prefix: '{parley}',
    })
    try {
      const jobs = await read.all
      expect(jobs.map(({ id }) => id).toSorted()).toEqual([named.id, inherited.id, shaped.id].toSorted())
      expect(jobs.map(({ attemptsMade }) => attemptsMade)).toEqual([0, 0, 0])
    } finally {
      await newer.close()
      connection.disconnect()
    }
  })

  it('retries a job that throws for a day, and keeps only its last error', async () => {
    const job = close()
    const tried = Promise.withResolvers<void>()
    await producer.add([job])
    const connection = await redisClient(redis.url)
    // As if it had been tried for most of a day, once a minute.
    const stacktrace = JSON.stringify(Array(23 * 60).fill('Error: away'))
    await connection.hset(`{parley}:push:${job.id}`, { atm: 23 * 60, stacktrace })
    connection.disconnect()
    await withConsumer(
      async () => {
        tried.resolve()
        throw new Error('still away')
      },
      async () => {
        await tried.promise
        await expect.poll(() => producer.queue.getJobState(job.id)).toBe('delayed')
        const kept = await producer.queue.getJob(job.id)
        expect(kept?.stacktrace).toEqual([expect.stringContaining('still away')])
      },
    )
  })

  it('accepts many jobs at once, and waits for jobs under way when it stops', async () => {
    const jobs = Array.from({ length: 1_001 }, () => close())
    await producer.add(jobs)
    expect(await producer.counts()).toMatchObject({ waiting: jobs.length, active: 0 })
    const begun = Promise.withResolvers<void>()
    const { promise: answer, resolve } = Promise.withResolvers<void>()
    let done = 0
    const unwanted = async () => {
      throw new Dead('not expected here')
    }
    const work = async () => {
      begun.resolve()
      await answer
      done++
    }
    const handlers = { message: unwanted, device: unwanted, digest: unwanted, close: work }
    const consumer = startConsumer('push', { address: redis.url, handlers, concurrency: 4, onError })
    await begun.promise
    const stopped = consumer.stop()
    resolve()
    await stopped
    expect(done).toBeGreaterThan(0)
    const over = { completed: done, active: 0, waiting: jobs.length - done }
    expect(await producer.counts()).toMatchObject(over)
  })

  it('gives up a job that has been unknown for a day past its due time', async () => {
    const dead = calls<string>(2)
    const unknown = calls<string>(2)
    const add = (name: string, agoMs: number, delayMs: number) =>
      producer.queue.add(name, {}, { jobId: randomUUID(), timestamp: Date.now() - agoMs, delay: delayMs })
    await add('forgotten', DAY_MS + 60_000, 0)
    await add('forgotten, too', DAY_MS + 120_000, 30_000)
    await add('fresh', DAY_MS - 60_000, 0)
    await add('long put off', DAY_MS + 60_000, DAY_MS)
    await withConsumer(
      async () => undefined,
      async () => {
        const names = ['forgotten', 'forgotten, too']
        expect((await dead.all).toSorted()).toEqual(names.map((name) => `${name} unknown job ${name}`))
        expect((await producer.failed(2)).map(({ name }) => name).toSorted()).toEqual(names)
        expect((await unknown.all).toSorted()).toEqual(['fresh', 'long put off'])
      },
      { onUnknown: unknown.note, onDead: (name, reason) => dead.note(`${name} ${reason}`) },
    )
  })

  it('leaves jobs that take too long to another worker when it stops', async () => {
    const { note, all } = calls<string>(1)
    const unwanted = async () => {
      throw new Dead('not expected here')
    }
    const { promise: never, resolve } = Promise.withResolvers<void>()
    const handlers = {
      message: unwanted,
      device: unwanted,
      digest: unwanted,
      close: (_: unknown, id: string) => {
        note(id)
        return never
      },
    }
    const consumer = startConsumer('push', { address: redis.url, handlers, concurrency: 1, onError })
    await producer.add([close()])
    await all
    const began = performance.now()
    await consumer.stop(300)
    expect(performance.now() - began).toBeLessThan(5_000)
    resolve()
  })

  it('rejects promptly while Redis is away, and adds jobs again when it is back', async () => {
    await redis.kill()
    const began = Date.now()
    await expect(producer.add([close()])).rejects.toThrow()
    expect(Date.now() - began).toBeLessThan(11_000)
    await redis.start()
    await expect
      .poll(
        () =>
          producer.add([close()]).then(
            () => true,
            () => false,
          ),
        { timeout: 10_000 },
      )
      .toBe(true)
  })

  it('makes ids from any text, without colons', () => {
    expect(idPart('user:ä/1')).toMatch(/^[\w-]+$/)
    expect(idPart('a')).not.toBe(idPart('b'))
  })
})
