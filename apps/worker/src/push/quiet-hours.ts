import type { PushPreferencesRow } from '@parley/db'

const DAY_MIN = 24 * 60
const formats = new Map<string, Intl.DateTimeFormat>()
const FORMATS_KEPT = 1_000

/**
 * Returns when the quiet hours around `now` end, in ms since 1970; null outside quiet hours. The end is a wall-clock time, so it
 * moves if the clocks change during the night.
 */
export function quietUntil(
  { quiet_start, quiet_end, time_zone }: Omit<PushPreferencesRow, 'show_content'>,
  now: number,
): number | null {
  if (quiet_start === null || quiet_end === null || time_zone === null) return null
  const [start, end, local] = [minutesOf(quiet_start), minutesOf(quiet_end), localMinutes(now, time_zone)]
  const sinceStart = (local - start + DAY_MIN) % DAY_MIN
  if (sinceStart >= (end - start + DAY_MIN) % DAY_MIN) return null
  const thisMinute = Math.floor(now / 60_000)
  const until = thisMinute + ((end - local + DAY_MIN) % DAY_MIN)
  // The shift of a clock change in between, normalised to -12 h to +12 h. Assumes offsets of whole minutes.
  const off = ((localMinutes(until * 60_000, time_zone) - end + DAY_MIN * 1.5) % DAY_MIN) - DAY_MIN / 2
  return Math.max(thisMinute + 1, until - off) * 60_000
}

function minutesOf(time: string): number {
  const [hours, minutes] = time.split(':').map(Number)
  return (hours ?? 0) * 60 + (minutes ?? 0)
}

function localMinutes(at: number, timeZone: string): number {
  const parts = formatOf(timeZone).formatToParts(at)
  const part = (type: 'hour' | 'minute') => Number(parts.find((found) => found.type === type)?.value ?? 0)
  return part('hour') * 60 + part('minute')
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const kept = formats.get(timeZone)
  if (kept !== undefined) return kept
  if (formats.size >= FORMATS_KEPT) formats.clear()
  const options = { timeZone, hourCycle: 'h23', hour: '2-digit', minute: '2-digit' } as const
  const made = new Intl.DateTimeFormat('en-GB', options)
  formats.set(timeZone, made)
  return made
}
