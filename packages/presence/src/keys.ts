export const incarnationsKey = 'presence:incarnations'
export const leavingKey = 'presence:leaving'
export const originKey = 'presence:origin'
export const leaseKey = (epoch: string): string => `presence:lease:${epoch}`
export const userKey = (userId: string): string => `presence:user:${userId}`
export const peopleKey = (incarnation: string): string => `presence:people:${incarnation}`

/** The one field of a person's hash that is not a connection; connections have a colon in theirs. */
const leftField = 'left'

export const incarnationOf = (epoch: string, generation: number): string => `${epoch}.${generation}`

/** The epoch of an incarnation. Epochs have no dot in them. */
export const epochOf = (incarnation: string): string => incarnation.slice(0, incarnation.lastIndexOf('.'))

/** @throws where it could not stand in a key or before the dot of an incarnation */
export function assertEpoch(epoch: string): void {
  if (!/^[\w-]{1,64}$/.test(epoch)) throw new Error('An epoch is 1 to 64 letters, digits, dashes and underscores')
}

/** One connection as it stands in a person's hash. */
export interface Entry {
  incarnation: string
  visible: boolean
}

/** Of the connections in a person's hash. */
export function incarnationsIn(hash: Readonly<Record<string, string>>): string[] {
  return Object.keys(hash).flatMap((field) => (field === leftField ? [] : [field.slice(0, field.indexOf(':'))]))
}

export const entryValue = (visible: boolean, since: number): string => `${visible ? 1 : 0}:${since}`
