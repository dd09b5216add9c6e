import { LIMITS } from '@parley/protocol'
import type { Socket } from 'socket.io'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { TypingIndicators } from '../src/typing.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('repeats userTyping every three seconds, and announces the end six seconds after the last event', () => {
  const told: string[] = []
  const others = { emit: (event: string) => told.push(event) }
  const session = { user: { id: 'ahmed', fullName: 'Ahmed' } }
  const socket = { id: 'socket', data: { session }, to: () => ({ except: () => others }) } as unknown as Socket
  const typing = new TypingIndicators()
  for (let second = 0; second <= 8; second += 2) {
    typing.start(socket, 'conversation')
    if (second < 8) vi.advanceTimersByTime(2_000)
  }
  // At 0, 4 and 8 s.
  expect(told).toEqual(['userTyping', 'userTyping', 'userTyping'])
  vi.advanceTimersByTime(LIMITS.typingMs - 1)
  expect(told).toHaveLength(3)
  vi.advanceTimersByTime(1)
  expect(told).toEqual(['userTyping', 'userTyping', 'userTyping', 'userStoppedTyping'])
  expect(vi.getTimerCount()).toBe(0)
})
