import {
  findEmptySummary,
  forgetShown,
  listStaleNotifications,
  type StaleNotificationRow,
  type SummaryDeviceRow,
} from '@parley/db'
import { idPart, type JobData } from '@parley/queue'
import { allDone } from '@parley/runtime/all-done'
import type { PushDeps } from './deps.ts'
import { closePayload, DIGEST_TAG, topicOf } from './notification.ts'
import { type Told, tell } from './tell.ts'
import { notificationOf, summaryOf, takeTurn } from './turn.ts'

type CloseData = JobData<'push', 'close'>

/**
 * A person has read, or left, a conversation: the devices that show a notification of it are told to close it. Under the
 * notification's own Topic, so that one which a device has not received yet is replaced and never seen.
 */
export async function runCloseJob(deps: PushDeps, data: CloseData, jobId: string): Promise<void> {
  const { replacedAt, subscriptionId } = data
  // A summary's part is replaced in the turn of the notification that does so, and looked for after it.
  await takeTurn(deps.redis, notificationOf(data), jobId, async () => {
    if (replacedAt !== undefined && subscriptionId !== undefined) {
      const summary = { ...data, replacedAt, subscriptionId }
      return takeTurn(deps.redis, summaryOf(data.userId), jobId, () => closeEmptySummary(deps, summary))
    }
    const stale = await listStaleNotifications(deps.db.pool, data)
    const due = stale.filter(({ id }) => subscriptionId === undefined || id === subscriptionId)
    await allDone(due.map((notification) => close(deps, data, notification)))
  })
}

async function close(deps: PushDeps, data: CloseData, notification: StaleNotificationRow): Promise<void> {
  const { id, seq, digest, others, pushed_at_ms: shownAt } = notification
  const forget = () => forgetShown(deps.db.pool, data, id, seq)
  // A summary of several conversations stays while one of them is unread.
  if (shownAt === 0 || (digest && others > 0)) return forget()
  const told = await tellToClose(deps, data, notification, digest ? DIGEST_TAG : data.conversationId)
  if (told.kind === 'later' && Date.now() < shownAt + deps.times.ttlMs)
    return tryAgain(deps, { ...data, subscriptionId: id }, seq, told.at)
  if (told.kind !== 'gone') await forget()
}

/** All that a summary told of has been read, or has a notification of its own by now. */
async function closeEmptySummary(
  deps: PushDeps,
  data: CloseData & { replacedAt: number; subscriptionId: string },
): Promise<void> {
  const { userId, subscriptionId, replacedAt } = data
  const device = await findEmptySummary(deps.db.pool, userId, subscriptionId)
  if (device === undefined) return
  const told = await tellToClose(deps, data, device, DIGEST_TAG)
  if (told.kind === 'later' && Date.now() < replacedAt + deps.times.ttlMs)
    await tryAgain(deps, data, `summary-${replacedAt}`, told.at)
}

function tellToClose(deps: PushDeps, data: CloseData, device: SummaryDeviceRow, tag: string): Promise<Told> {
  const delivery = {
    ttlSeconds: Math.ceil(deps.times.ttlMs / 1_000),
    urgency: 'normal' as const,
    topic: topicOf(tag),
  }
  return tell(deps, device, closePayload(data.conversationId, tag), delivery, data.tries ?? 0)
}

/**
 * One device by itself. The id has no time in it: whoever reads on notes the closing each time, and for all of them the device is
 * tried again as for one.
 * @param what is to be closed there
 */
async function tryAgain(
  { producer, metrics }: PushDeps,
  { tries = 0, ...data }: CloseData & { subscriptionId: string },
  what: number | string,
  at: number,
): Promise<void> {
  const { conversationId, userId, subscriptionId } = data
  const id = `close-${conversationId}-${idPart(userId)}-${subscriptionId}-${what}-${tries + 1}`
  await producer.add([{ name: 'close', data: { ...data, tries: tries + 1 }, id, delayMs: at - Date.now() }])
  metrics.queued('close')
}
