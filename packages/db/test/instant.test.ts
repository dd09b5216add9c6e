import { expect, it } from 'vitest'
import { instantOfMicros, toInstant } from '../src/instant.ts'

it.each([
  ['2025-12-11 10:30:00+00', '2025-12-11T10:30:00.000000Z'],
  ['2025-12-11 10:30:00.12+00', '2025-12-11T10:30:00.120000Z'],
  ['2025-12-11 10:30:00.123456+00', '2025-12-11T10:30:00.123456Z'],
  ['2025-12-11 10:30:00.123456+05:30', '2025-12-11T05:00:00.123456Z'],
  ['2025-12-11 23:30:00.5-03', '2025-12-12T02:30:00.500000Z'],
])('reads %s as %s', (raw, instant) => {
  expect(toInstant(raw)).toBe(instant)
})

it('rejects anything but a timestamptz', () => {
  expect(() => toInstant('infinity')).toThrow(TypeError)
})

it.each([
  [0, '1970-01-01T00:00:00.000000Z'],
  [1_765_449_000_000_001, '2025-12-11T10:30:00.000001Z'],
  [1_765_449_000_120_456, '2025-12-11T10:30:00.120456Z'],
  [-1, '1969-12-31T23:59:59.999999Z'],
])('writes %d microseconds as %s', (micros, instant) => {
  expect(instantOfMicros(micros)).toBe(instant)
})
