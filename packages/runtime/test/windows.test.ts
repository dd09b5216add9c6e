import { expect, it } from 'vitest'
import { Windows } from '../src/windows.ts'

it('accepts up to the limit per key, says when the window ends, and starts a new one', () => {
  const windows = new Windows(2, 1_000)
  expect([windows.take('a', 1, 0), windows.take('a', 1, 400), windows.take('a', 1, 700.5)]).toEqual([0, 0, 300])
  expect(windows.take('b', 1, 700)).toBe(0)
  expect(windows.take('a', 1, 999.9)).toBe(1)
  expect([windows.take('a', 1, 1_000), windows.take('a', 1, 1_001), windows.take('a', 1, 1_500)]).toEqual([0, 0, 500])
})

it('accepts several at once all or nothing', () => {
  const windows = new Windows(5, 1_000)
  expect([windows.take('a', 3, 0), windows.take('a', 3, 1), windows.take('a', 2, 2), windows.take('a', 1, 3)]).toEqual([
    0, 999, 0, 997,
  ])
})

it('keeps no key for longer than two windows', () => {
  const windows = new Windows(1, 1_000)
  for (let key = 0; key < 100; key++) windows.take(`${key}`, 1, 0)
  windows.take('late', 1, 1_500)
  expect(windows.size).toBe(1)
})

it('accepts any number without a limit', () => {
  const windows = new Windows(0, 1_000)
  expect([windows.take('a', 1, 0), windows.take('a', 1_000_000, 1), windows.size]).toEqual([0, 0, 0])
})
