import { randomInt } from 'node:crypto'
import type { User } from '@parley/protocol'
import { user } from '@parley/testkit'

/** Somebody whose name nobody else in the cluster has, so that searching for people finds this one alone. */
export function someone(firstName: string): User {
  const letters = Array.from({ length: 6 }, () => String.fromCharCode(97 + randomInt(26))).join('')
  return user(`${firstName} ${letters.charAt(0).toUpperCase()}${letters.slice(1)}`)
}
