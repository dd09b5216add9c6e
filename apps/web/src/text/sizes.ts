const UNITS = ['B', 'KB', 'MB', 'GB'] as const

/** Formats a size, such as "1.4 MB". */
export function sizeOf(bytes: number): string {
  let [value, unit] = [bytes, 0]
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1_000
    unit++
  }
  const digits = unit === 0 || value >= 10 ? 0 : 1
  return `${value.toFixed(digits)} ${UNITS[unit]}`
}

/** Formats a badge's number; beyond 99 it is "99+". */
export function countOf(count: number): string {
  return count > 99 ? '99+' : String(count)
}
