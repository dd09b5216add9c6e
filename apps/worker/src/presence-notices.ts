import { type Database, touchLastSeen } from '@parley/db'
import type { Publisher } from '@parley/fanout'
import type { Membership, People } from '@parley/messaging'
import type { ReaperOptions } from '@parley/presence'
import { instantOf } from '@parley/protocol'

export interface PresenceNoticesOptions {
  db: Database
  publisher: Publisher
  people: People
  membership: Membership
}

/** Builds the reaper's callbacks, which store what it finds and tell the person's contacts. */
export function presenceNotices({
  db,
  publisher,
  people,
  membership,
}: PresenceNoticesOptions): Required<Pick<ReaperOptions, 'onOffline' | 'onReturn'>> {
  return {
    onOffline: async (userId, lastSeenAt) => {
      await touchLastSeen(db, userId, lastSeenAt)
      const { fullName: userName } = await people.get(userId)
      const notice = { userId, userName, lastSeen: instantOf(lastSeenAt) }
      publisher.toPeople(await membership.contactsOf(userId), 'userOffline', notice)
    },
    onReturn: async (userId) => {
      const { fullName: userName } = await people.get(userId)
      publisher.toPeople(await membership.contactsOf(userId), 'userOnline', { userId, userName })
    },
  }
}
