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
 * Tells devices to close their notification of a conversation that the person has read or left. It is sent under the
 * notification's own Topic, so that it replaces a notification that has not been delivered yet.
 */
export async function runCloseJob(deps: PushDeps, data: CloseData, jobId: string): Promise<void> {
  const { replacedAt, subscriptionId } = data
  // The notification's turn comes first: the job that replaced part of a summary must have recorded that.
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
  // A summary of several conversations stays as long as one of them is unread.
  if (shownAt === 0 || (digest && others > 0)) return forget()
  const told = await tellToClose(deps, data, notification, digest ? DIGEST_TAG : data.conversationId)
  if (told.kind === 'later' && Date.now() < shownAt + deps.times.ttlMs)
    return tryAgain(deps, { ...data, subscriptionId: id }, seq, told.at)
  if (told.kind !== 'gone') await forget()
}

/** Closes a summary if all of its conversations have been read or have their own notification by now. */
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
 * Retries a single device. The job's id contains no time: each further read queues another close, and all of them share one
 * retry of this device.
 * @param what identifies the notification to close
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
