import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { TokenLife } from '../src/token-life.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const inAnHour = () => new Date(Date.now() + 3_600_000)

it('expires with the newest token, once', () => {
  const onEnd = vi.fn()
  const life = new TokenLife(onEnd)
  life.start(new Date(Date.now() + 1_000))
  life.start(inAnHour())
  vi.advanceTimersByTime(3_599_999)
  expect(onEnd).not.toHaveBeenCalled()
  vi.advanceTimersByTime(3_600_000)
  expect(onEnd).toHaveBeenCalledOnce()
})

it('keeps nothing of a socket that disconnected while its token was being renewed', () => {
  const life = new TokenLife(() => expect.unreachable())
  life.start(inAnHour())
  life.stop()
  life.start(inAnHour())
  expect(vi.getTimerCount()).toBe(0)
})

it('waits for the end of a token that is further away than a timer can wait', () => {
  const onEnd = vi.fn()
  const days = 86_400_000
  new TokenLife(onEnd).start(new Date(Date.now() + 60 * days))
  vi.advanceTimersByTime(60 * days - 1)
  expect(onEnd).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1)
  expect(onEnd).toHaveBeenCalledOnce()
})
