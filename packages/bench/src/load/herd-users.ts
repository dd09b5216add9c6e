import { roomsOf, type Shape, uuidOf } from '../subjects/subject.ts'
import type { HerdUser } from './herd-message.ts'
import type { LoadUser } from './message.ts'

/** Returns a subject's users as a herd; if they sync, with the revs with which their conversations were seeded. */
export function herdUsers(users: readonly LoadUser[], shape: Shape, syncs: boolean): HerdUser[] {
  return users.map(({ gateway, auth }, i) => ({
    gateway,
    auth,
    known: syncs ? Object.fromEntries(roomsOf(i, shape).map((room) => [uuidOf(room), 1])) : null,
    missed: 0,
  }))
}
