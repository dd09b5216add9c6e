import { expect, it } from 'vitest'
import { Recent } from '../src/recent.ts'

function filled(most: number, count: number): Recent<number, string> {
  const recent = new Recent<number, string>(most)
  for (let n = 0; n < count; n++) recent.set(n, `value ${n}`)
  return recent
}

function held(recent: Recent<number, string>, count: number): number[] {
  return Array.from({ length: count }, (_, n) => n).filter((n) => recent.get(n) !== undefined)
}

it('keeps at least the most recent values, and at most twice as many', () => {
  for (let count = 0; count <= 35; count++) {
    const numbers = held(filled(10, count), count)
    expect(numbers.length).toBeLessThanOrEqual(20)
    expect(numbers.slice(-10)).toEqual(Array.from({ length: count }, (_, n) => n).slice(-10))
    expect(filled(10, count).get(count - 1)).toBe(count === 0 ? undefined : `value ${count - 1}`)
  }
})

it('keeps a value that is set again, with its new value', () => {
  const recent = filled(10, 10)
  recent.set(0, 'again')
  for (let n = 10; n < 19; n++) recent.set(n, `value ${n}`)
  expect(recent.get(0)).toBe('again')
  // Setting an existing key while the map is full evicts nothing.
  const full = filled(10, 20)
  for (let n = 0; n < 100; n++) full.set(19, 'again')
  expect(held(full, 20)).toEqual(Array.from({ length: 20 }, (_, n) => n))
})

it('deletes from both maps', () => {
  const recent = filled(10, 15)
  recent.set(3, 'again')
  recent.delete(3)
  recent.delete(12)
  expect(held(recent, 15)).not.toContain(3)
  expect(held(recent, 15)).not.toContain(12)
  expect(held(recent, 15)).toHaveLength(13)
})
