import { forgetShown, listStaleNotifications, type StaleNotificationRow } from '@parley/db'
import { type JobData, Later } from '@parley/queue'
import type { PushDeps } from './deps.ts'
import { closePayload, DIGEST_TAG, topicOf } from './notification.ts'
import { tell } from './tell.ts'
import { takeTurn } from './turn.ts'

type CloseData = JobData<'push', 'close'>

/**
 * A person has read, or left, a conversation: the devices that show a notification of it are told to close it. Under the
 * notification's own Topic, so that one which a device has not received yet is replaced and never seen.
 */
export async function runCloseJob(deps: PushDeps, data: CloseData, jobId: string): Promise<void> {
  await takeTurn(deps.redis, `${data.conversationId}:${data.userId}`, jobId, async () => {
    const stale = await listStaleNotifications(deps.db.pool, data)
    const later = await Promise.all(stale.map((notification) => close(deps, data, notification)))
    const at = Math.max(...later.map((time) => time ?? 0))
    if (at > 0) throw new Later(at)
  })
}

/** @returns when to try again; null when it is over */
async function close(deps: PushDeps, data: CloseData, notification: StaleNotificationRow): Promise<number | null> {
  const { id, seq, digest, others, pushed_at_ms: shownAt } = notification
  const forget = () => forgetShown(deps.db.pool, data, id, seq)
  // A summary of several conversations stays while one of them is unread.
  if (shownAt === 0 || (digest && others > 0)) {
    await forget()
    return null
  }
  const tag = digest ? DIGEST_TAG : data.conversationId
  const delivery = {
    ttlSeconds: Math.ceil(deps.times.ttlMs / 1_000),
    urgency: 'normal' as const,
    topic: topicOf(tag),
  }
  const told = await tell(deps, notification, closePayload(data.conversationId, tag), delivery, 0)
  if (told.kind === 'later' && Date.now() < shownAt + deps.times.ttlMs) return told.at
  if (told.kind !== 'gone') await forget()
  return null
}
