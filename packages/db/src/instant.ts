const POSTGRES = /^(\d{4,})-(\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d+))?([+-]\d\d(?::?\d\d)?(?::\d\d)?)$/

/**
 * Converts Postgres' text form of a timestamptz (`2025-12-11 10:30:00.12+00`) to RFC 3339 in UTC with six fractional digits
 * (`2025-12-11T10:30:00.120000Z`). The fixed width makes these strings sort in order of time.
 * @throws {TypeError} if `raw` is in another form, such as `infinity`
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

/** The last second formatted. A batch's instants mostly share one, and its Date costs ten times as much as the rest. */
let formatted = { second: 0, text: '1970-01-01T00:00:00.' }

/** Formats microseconds since 1970 the same way. A number holds them exactly until the year 2255. */
export function instantOfMicros(micros: number): string {
  const second = Math.floor(micros / 1_000_000)
  if (second !== formatted.second) formatted = { second, text: new Date(second * 1_000).toISOString().slice(0, 20) }
  return `${formatted.text}${String(micros - second * 1_000_000).padStart(6, '0')}Z`
}
