import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { EventFlow } from '../src/flow.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('closes once everything accepted is answered, and leaves no timer', async () => {
  const flow = new EventFlow()
  flow.begin()
  flow.begin()
  const closed = vi.fn()
  const closing = flow.close(1_000).then(closed)
  expect(flow.closing).toBe(true)
  flow.end()
  await vi.advanceTimersByTimeAsync(999)
  expect(closed).not.toHaveBeenCalled()
  flow.end()
  await closing
  expect(vi.getTimerCount()).toBe(0)
})

it('waits for answers no longer than its limit', async () => {
  const flow = new EventFlow()
  flow.begin()
  const closed = vi.fn()
  void flow.close(1_000).then(closed)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(closed).toHaveBeenCalledOnce()
})
