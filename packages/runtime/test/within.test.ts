import { expect, it, vi } from 'vitest'
import { noAnswer, within } from '../src/within.ts'

const never = new Promise<never>(() => undefined)

it('settles like work that finishes in time', async () => {
  expect(await within(1_000, Promise.resolve(1), () => 2)).toBe(1)
  await expect(within(1_000, Promise.reject(new Error('broken')), () => 2)).rejects.toThrow('broken')
})

it('resolves to the substitute if work is late', async () => {
  expect(await within(5, never, () => 2)).toBe(2)
  await expect(within(5, never, noAnswer('Redis', 5))).rejects.toThrow('Redis did not answer within 5 ms')
})

it('ignores a later failure', async () => {
  const work = Promise.withResolvers<number>()
  expect(await within(5, work.promise, () => 2)).toBe(2)
  work.reject(new Error('too late'))
  await new Promise((resolve) => setImmediate(resolve))
})

it('leaves no timer running', async () => {
  vi.useFakeTimers()
  try {
    await within(60_000, Promise.resolve(1), () => 2)
    expect(vi.getTimerCount()).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})
