const POSTGRES = /^(\d{4,})-(\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d+))?([+-]\d\d(?::?\d\d)?(?::\d\d)?)$/

/**
 * Turns Postgres' text form of a timestamptz (`2025-12-11 10:30:00.12+00`) into RFC 3339 in UTC with six digits
 * (`2025-12-11T10:30:00.120000Z`), so that such strings also compare and sort as text.
 */
export function toInstant(raw: string): string {
  const match = POSTGRES.exec(raw)
  if (match === null) throw new TypeError(`not a timestamptz: ${raw}`)
  const [, year, day, time, fraction = '', offset] = match
  const micros = fraction.padEnd(6, '0')
  if (offset === '+00') return `${year}-${day}T${time}.${micros}Z`
  const shifted = new Date(`${year}-${day}T${time}${offset?.length === 3 ? `${offset}:00` : offset}`)
  return `${shifted.toISOString().slice(0, 19)}.${micros}Z`
}

/** The second that was written last, for the many instants of one batch: the Date behind it costs ten times the rest. */
let written = { second: 0, text: '1970-01-01T00:00:00.' }

/** The same form for microseconds since 1970, which a number holds exactly until the year 2255. */
export function instantOfMicros(micros: number): string {
  const second = Math.floor(micros / 1_000_000)
  if (second !== written.second) written = { second, text: new Date(second * 1_000).toISOString().slice(0, 20) }
  return `${written.text}${String(micros - second * 1_000_000).padStart(6, '0')}Z`
}
