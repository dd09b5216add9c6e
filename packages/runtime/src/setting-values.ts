import { z } from 'zod'

/** `true` or `false`. */
export const flag = z.enum(['true', 'false']).transform((text) => text === 'true')

/** A whole number in decimal digits, from `min` to `max`. */
export function wholeNumber(min = 0, max = 999_999_999) {
  return z
    .string()
    .regex(/^\d{1,13}$/)
    .transform(Number)
    .pipe(z.number().min(min).max(max))
}

export const webUrl = z.url({ protocol: /^https?$/ })
