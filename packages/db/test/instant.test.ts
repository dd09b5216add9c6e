import { expect, it } from 'vitest'
import { toInstant } from '../src/instant.ts'

it.each([
  ['2025-12-11 10:30:00+00', '2025-12-11T10:30:00.000000Z'],
  ['2025-12-11 10:30:00.12+00', '2025-12-11T10:30:00.120000Z'],
  ['2025-12-11 10:30:00.123456+00', '2025-12-11T10:30:00.123456Z'],
  ['2025-12-11 10:30:00.123456+05:30', '2025-12-11T05:00:00.123456Z'],
  ['2025-12-11 23:30:00.5-03', '2025-12-12T02:30:00.500000Z'],
])('reads %s as %s', (raw, instant) => {
  expect(toInstant(raw)).toBe(instant)
})

it('refuses what is no timestamptz', () => {
  expect(() => toInstant('infinity')).toThrow(TypeError)
})
