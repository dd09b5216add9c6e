import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { TokenLife } from '../src/token-life.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const inAnHour = () => new Date(Date.now() + 3_600_000)

it('ends with the newest token, once', () => {
  const onEnd = vi.fn()
  const life = new TokenLife(onEnd)
  life.start(new Date(Date.now() + 1_000))
  life.start(inAnHour())
  vi.advanceTimersByTime(3_599_999)
  expect(onEnd).not.toHaveBeenCalled()
  vi.advanceTimersByTime(3_600_000)
  expect(onEnd).toHaveBeenCalledOnce()
})

it('keeps nothing of a socket that went while its token was being renewed', () => {
  const life = new TokenLife(() => expect.unreachable())
  life.start(inAnHour())
  life.stop()
  life.start(inAnHour())
  expect(vi.getTimerCount()).toBe(0)
})
