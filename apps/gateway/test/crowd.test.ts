import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Crowd } from '../src/crowd.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

it('lets a few connect at once, delays several for a moment, and gathers a crowd until it has been served', () => {
  let people = 1
  const crowd = new Crowd(() => people)
  const pauses = () => [crowd.wavePauseMs, crowd.questionsPauseMs]
  expect(pauses()).toEqual([0, 0])
  people = 100
  expect(pauses()).toEqual([30, 30])
  people = 2_000
  expect(pauses()).toEqual([300, 200])
  people = 0
  expect(pauses()).toEqual([300, 200])
  vi.advanceTimersByTime(3_000)
  expect(pauses()).toEqual([0, 0])
})
