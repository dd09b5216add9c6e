import { noteOwed, type PushDeviceRow, type PushMemberRow } from '@parley/db'
import type { PushPayload } from '@parley/protocol'
import { Dead, idPart, type JobData, Later } from '@parley/queue'
import { allDone } from '@parley/runtime/all-done'
import type { PushDeps } from './deps.ts'
import { noteHeld } from './held.ts'
import { judge, type Verdict } from './judge.ts'
import { newsPayload, topicOf } from './notification.ts'
import { tell } from './tell.ts'
import { notificationOf, takeTurn } from './turn.ts'

/** A notification for all of a person's devices, or a retry for one of them. */
export type NewsData = JobData<'push', 'message'> & { subscriptionId?: string; tries?: number }

/**
 * Notifies a person of what is new in a conversation, on all of their devices or on the one that is retried. New messages are
 * looked up when the job runs, so it covers everything up to then, and the jobs of those messages find nothing left to do.
 */
export async function runNewsJob(deps: PushDeps, data: NewsData, jobId: string): Promise<void> {
  await takeTurn(deps.redis, notificationOf(data), jobId, () => notify(deps, data))
}

async function notify(deps: PushDeps, data: NewsData): Promise<void> {
  const { lookup, metrics, times } = deps
  const now = Date.now()
  const left = data.sentAt + times.ttlMs - now
  if (left <= 0) throw new Dead('expired: the message is too old to push')
  const [member, all, foreground] = await Promise.all([
    lookup.member(data),
    lookup.devices(data),
    lookup.foreground(data.userId),
  ])
  const devices = all.filter(({ id }) => data.subscriptionId === undefined || id === data.subscriptionId)
  const verdict = judge({ ...data, member, devices, foreground, now, times })
  if (verdict.kind === 'suppress') return metrics.suppressed(verdict.reason)
  if (verdict.kind === 'wait') throw new Later(verdict.until)
  if (verdict.kind === 'hold') return hold(deps, data, verdict.until)
  const refusals = await tellAll(deps, data, verdict, left)
  if (refusals.length > 0) throw new Dead(`refused: ${refusals.join(', ')}`)
}

/** Holds the message for the one summary at the end of quiet hours. */
async function hold({ redis, producer, metrics }: PushDeps, data: NewsData, until: number): Promise<void> {
  const { userId, sentAt } = data
  const id = `digest-${idPart(userId)}-${Math.floor(until / 60_000)}`
  const digest = { userId, since: new Date(sentAt).toISOString() }
  // Recorded first, because a summary that is already queued keeps its original data.
  await noteHeld(redis, id, sentAt, until)
  await producer.add([{ name: 'digest', data: digest, id, delayMs: until - Date.now() }])
  metrics.queued('digest')
  metrics.suppressed('quiet')
}

/** @returns the reasons why some devices can never be notified */
async function tellAll(
  deps: PushDeps,
  data: NewsData,
  { member, groups }: Extract<Verdict, { kind: 'tell' }>,
  leftMs: number,
): Promise<string[]> {
  const told = await allDone(
    [...groups].map(async ([afterSeq, devices]) => {
      const notification = await compose(deps, data, member, afterSeq)
      if (notification === undefined) {
        deps.metrics.suppressed('deleted')
        return []
      }
      return allDone(devices.map((device) => tellOne(deps, data, member, device, notification, leftMs)))
    }),
  )
  return told.flat().filter((reason) => reason !== null)
}

interface Notification {
  payload: PushPayload
  fromSeq: number
  seq: number
}

async function compose(
  { lookup }: PushDeps,
  data: NewsData,
  member: PushMemberRow,
  afterSeq: number,
): Promise<Notification | undefined> {
  const news = await lookup.news({ ...data, afterSeq })
  if (news === undefined) return undefined
  const message = await lookup.message(data.conversationId, news.seq)
  if (message === undefined) return undefined
  const payload = newsPayload({
    message,
    count: news.count,
    conversation: member,
    showContent: member.show_content,
  })
  // If the database has lost the job's message, its seq goes to a message that nobody has been notified of.
  return { payload, fromSeq: afterSeq + 1, seq: Math.max(news.seq, Math.min(data.seq, member.last_seq)) }
}

/** @returns why this device can never be notified; null if it was, or will be retried */
async function tellOne(
  deps: PushDeps,
  data: NewsData,
  member: PushMemberRow,
  device: PushDeviceRow,
  { payload, fromSeq, seq }: Notification,
  leftMs: number,
): Promise<string | null> {
  const { lookup, metrics } = deps
  const { conversationId, userId, tries = 0 } = data
  const urgency = member.type === 'DIRECT' ? ('high' as const) : ('normal' as const)
  const delivery = { ttlSeconds: Math.ceil(leftMs / 1_000), urgency, topic: topicOf(payload.tag) }
  const told = await tell(deps, device, payload, delivery, tries)
  if (told.kind === 'told') {
    // A notification delayed by a burst also covers messages older than this job's own; its delay is not measured.
    if (tries === 0 && fromSeq >= data.firstSeq) metrics.delay(Date.now() - data.sentAt)
    // Before the record: once that is written, a rerun of this job would find nothing left to do.
    if (device.digest === true) await takeFromSummary(deps, data, device.id)
    await lookup.record({ conversationId, userId, subscriptionId: device.id, fromSeq, seq, digest: false })
  }
  if (told.kind === 'later') await tryAgain(deps, data, device, told.at, tries + 1)
  return told.kind === 'refused' ? told.reason : null
}

/**
 * Queues a check of the device's summary: this notification replaces the conversation's part of it, and a summary without any part
 * left is closed. That job waits for this one's turn to end. Its id contains the time, because each run has something to check.
 */
async function takeFromSummary(
  { producer, metrics }: PushDeps,
  { conversationId, userId, messageId }: NewsData,
  subscriptionId: string,
): Promise<void> {
  const replacedAt = Date.now()
  const data = { conversationId, userId, subscriptionId, replacedAt }
  await producer.add([{ name: 'close', data, id: `summary-${messageId}-${subscriptionId}-${replacedAt}` }])
  metrics.queued('close')
}

/** Retries a single device: the others have been notified and must not wait for it. */
async function tryAgain(
  { db, producer, metrics }: PushDeps,
  data: NewsData,
  device: PushDeviceRow,
  at: number,
  tries: number,
): Promise<void> {
  const subscriptionId = device.id
  if (device.seq === null) await noteOwed(db.pool, { ...data, afterSeq: data.firstSeq - 1 }, subscriptionId)
  const id = `device-${data.messageId}-${subscriptionId}-${tries}-${Math.floor(at / 1_000)}`
  const job = { ...data, subscriptionId, tries }
  await producer.add([{ name: 'device', data: job, id, delayMs: at - Date.now() }])
  metrics.queued('device')
}
