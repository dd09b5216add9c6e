const DAY_MS = 86_400_000

const time = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' })
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'short' })
const longWeekday = new Intl.DateTimeFormat(undefined, { weekday: 'long' })
const shortDay = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const longDay = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' })
const withYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' })
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' })
/** In English, like the surrounding text. */
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })

/** Returns the number of local midnights between two moments: 0 today, 1 yesterday, negative in the future. */
export function daysBetween(earlier: Date, later: Date): number {
  const midnight = (date: Date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime()
  // Days on which the clocks change have 23 or 25 hours.
  return Math.round((midnight(later) - midnight(earlier)) / DAY_MS)
}

/** Returns whether two moments are on the same day in the reader's time zone. */
export function isSameDay(a: Date, b: Date): boolean {
  return daysBetween(a, b) === 0
}

/** Formats the time of day in the reader's locale. */
export function timeOf(date: Date): string {
  return time.format(date)
}

/** Formats date and time in the reader's locale. */
export function fullTimeOf(date: Date): string {
  return full.format(date)
}

/** Formats a time for the list of conversations: today the time, otherwise the day. */
export function listTimeOf(date: Date, now = new Date()): string {
  const days = daysBetween(date, now)
  if (days <= 0) return time.format(date)
  if (days === 1) return 'Yesterday'
  if (days < 7) return weekday.format(date)
  return date.getFullYear() === now.getFullYear() ? shortDay.format(date) : withYear.format(date)
}

/** Formats a day for a divider between days. */
export function dayOf(date: Date, now = new Date()): string {
  const days = daysBetween(date, now)
  if (days === 0) return 'Today'
  if (days === 1) return 'Yesterday'
  if (days > 1 && days < 7) return longWeekday.format(date)
  return date.getFullYear() === now.getFullYear() ? longDay.format(date) : withYear.format(date)
}

/** Returns text such as "Last seen 5 minutes ago"; "Offline" if it is not known. */
export function lastSeenOf(lastSeen: string | null, now = new Date()): string {
  if (lastSeen === null) return 'Offline'
  const date = new Date(lastSeen)
  const minutes = Math.floor((now.getTime() - date.getTime()) / 60_000)
  if (minutes < 1) return 'Last seen just now'
  if (minutes < 60) return `Last seen ${relative.format(-minutes, 'minute')}`
  if (minutes < 12 * 60) return `Last seen ${relative.format(-Math.floor(minutes / 60), 'hour')}`
  const days = daysBetween(date, now)
  if (days <= 1) return `Last seen ${relative.format(-days, 'day')} at ${time.format(date)}`
  return `Last seen ${listTimeOf(date, now)}`
}
