import { forgetShown, listStaleNotifications, type StaleNotificationRow } from '@parley/db'
import { idPart, type JobData } from '@parley/queue'
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
    const due = stale.filter(({ id }) => data.subscriptionId === undefined || id === data.subscriptionId)
    await Promise.all(due.map((notification) => close(deps, data, notification)))
  })
}

async function close(deps: PushDeps, data: CloseData, notification: StaleNotificationRow): Promise<void> {
  const { id, seq, digest, others, pushed_at_ms: shownAt } = notification
  const forget = () => forgetShown(deps.db.pool, data, id, seq)
  // A summary of several conversations stays while one of them is unread.
  if (shownAt === 0 || (digest && others > 0)) return forget()
  const tag = digest ? DIGEST_TAG : data.conversationId
  const delivery = {
    ttlSeconds: Math.ceil(deps.times.ttlMs / 1_000),
    urgency: 'normal' as const,
    topic: topicOf(tag),
  }
  const told = await tell(deps, notification, closePayload(data.conversationId, tag), delivery, data.tries ?? 0)
  if (told.kind === 'later' && Date.now() < shownAt + deps.times.ttlMs)
    return tryAgain(deps, data, notification, told.at)
  if (told.kind !== 'gone') await forget()
}

/**
 * One device by itself. The id has no time in it: whoever reads on notes the closing each time, and for all of them the device is
 * tried again as for one.
 */
async function tryAgain(
  { producer, metrics }: PushDeps,
  { tries: before = 0, conversationId, userId }: CloseData,
  { id: subscriptionId, seq }: StaleNotificationRow,
  at: number,
): Promise<void> {
  const tries = before + 1
  const id = `close-${conversationId}-${idPart(userId)}-${subscriptionId}-${seq}-${tries}`
  const data = { conversationId, userId, subscriptionId, tries }
  await producer.add([{ name: 'close', data, id, delayMs: at - Date.now() }])
  metrics.queued('close')
}
