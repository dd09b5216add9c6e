import { roomsOf, type Shape, uuidOf } from '../subjects/subject.ts'
import type { HerdUser } from './herd-message.ts'
import type { LoadUser } from './message.ts'

/** A subject's people as a herd: with the revs that their conversations were seeded with, where they sync. */
export function herdUsers(users: readonly LoadUser[], shape: Shape, syncs: boolean): HerdUser[] {
  return users.map(({ gateway, auth }, i) => ({
    gateway,
    auth,
    known: syncs ? Object.fromEntries(roomsOf(i, shape).map((room) => [uuidOf(room), 1])) : null,
    missed: 0,
  }))
}
