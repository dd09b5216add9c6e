import { expect, it } from 'vitest'
import { timestamp } from '../src/index.ts'

/** Reads a timestamp in a time zone other than UTC, as a pod's may be. */
function read(value: string): string | undefined {
  const zone = process.env.TZ
  process.env.TZ = 'Asia/Dhaka'
  try {
    expect(new Date(2025, 0).getTimezoneOffset()).toBe(-360)
    return timestamp.safeParse(value).data
  } finally {
    if (zone === undefined) delete process.env.TZ
    else process.env.TZ = zone
  }
}

it.each([
  ['2025-12-11T10:30:00Z', '2025-12-11T10:30:00.000Z'],
  ['2025-12-11T10:30:00.1234567Z', '2025-12-11T10:30:00.123456Z'],
  ['2025-12-11T10:30:00.5+06:00', '2025-12-11T04:30:00.5Z'],
  ['2025-12-11t10:30:00z', '2025-12-11T10:30:00.000Z'],
  ['2025-12-11', '2025-12-11T00:00:00.000Z'],
  ['2025-12-11T10:30:00', '2025-12-11T10:30:00.000Z'],
  ['2025-12-11 10:30', '2025-12-11T10:30:00.000Z'],
  ['1765449000000', '2025-12-11T10:30:00.000Z'],
])('%s is a timestamp, independent of the time zone of the process', (value, moment) => {
  expect(read(value)).toBe(moment)
})

it.each([
  ['2024-02-29', '2024-02-29T00:00:00.000Z'],
  ['2025-12-31T23:30:00-01:00', '2026-01-01T00:30:00.000Z'],
])('%s is a calendar day', (value, moment) => {
  expect(read(value)).toBe(moment)
})

it.each(['2025-02-29', '2026-02-30T10:30:00Z', '2025-04-31 10:30'])('%s is not a calendar day', (value) => {
  expect(read(value)).toBeUndefined()
})

it.each(['1 2 3', '2025 12 11', '11-12-2025', '2025-13-01', '10:30', '2025-12-11T10:30:00 06:00', '99999-01-01', ''])(
  '%j is not a timestamp',
  (value) => {
    expect(read(value)).toBeUndefined()
  },
)
