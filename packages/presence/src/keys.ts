export const incarnationsKey = 'presence:incarnations'
export const leavingKey = 'presence:leaving'
export const originKey = 'presence:origin'
export const leaseKey = (epoch: string): string => `presence:lease:${epoch}`
export const userKey = (userId: string): string => `presence:user:${userId}`
export const peopleKey = (incarnation: string): string => `presence:people:${incarnation}`

/** The only field of a user's hash that is not a connection; fields of connections contain a colon. */
const leftField = 'left'

export const incarnationOf = (epoch: string, generation: number): string => `${epoch}.${generation}`

/** Returns the epoch of an incarnation. Epochs contain no dot. */
export const epochOf = (incarnation: string): string => incarnation.slice(0, incarnation.lastIndexOf('.'))

/** @throws {Error} if the epoch cannot be part of a key or of an incarnation */
export function assertEpoch(epoch: string): void {
  if (!/^[\w-]{1,64}$/.test(epoch)) throw new Error('An epoch is 1 to 64 letters, digits, dashes and underscores')
}

/** One connection as stored in a user's hash. */
export interface Entry {
  incarnation: string
  visible: boolean
}

/** Returns the incarnations of the connections in a user's hash. */
export function incarnationsIn(hash: Readonly<Record<string, string>>): string[] {
  return Object.keys(hash).flatMap((field) => (field === leftField ? [] : [field.slice(0, field.indexOf(':'))]))
}

export const entryValue = (visible: boolean, since: number): string => `${visible ? 1 : 0}:${since}`
