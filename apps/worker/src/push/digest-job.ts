import { listHeldConversations, type NewsRow, type PushDeviceRow, type PushMemberRow } from '@parley/db'
import type { PushPayload } from '@parley/protocol'
import { Dead, idPart, type JobData, Later } from '@parley/queue'
import { allDone } from '@parley/runtime/all-done'
import type { PushDeps } from './deps.ts'
import { forgetHeld, heldSince } from './held.ts'
import { digestPayload, newsPayload, topicOf } from './notification.ts'
import { quietUntil } from './quiet-hours.ts'
import { tell } from './tell.ts'
import { summaryOf, takeTurn } from './turn.ts'

type DigestData = JobData<'push', 'digest'>

/** A conversation with unread news, to go into a summary. */
interface Held {
  member: PushMemberRow
  news: NewsRow
  devices: PushDeviceRow[]
}

/** Sends one notification, at the end of quiet hours, of everything that arrived in them and is still unread. */
export async function runDigestJob(deps: PushDeps, data: DigestData, jobId: string): Promise<void> {
  await takeTurn(deps.redis, summaryOf(data.userId), jobId, async () => {
    const since = await heldSince(deps.redis, jobId, data.since)
    await sumUp(deps, { ...data, since })
    await forgetHeld(deps.redis, jobId)
  })
}

async function sumUp(deps: PushDeps, data: DigestData): Promise<void> {
  const { lookup, metrics, times } = deps
  if (await lookup.foreground(data.userId)) return metrics.suppressed('foreground')
  const held = await findHeld(deps, data)
  const [newest] = held
  if (newest === undefined) return metrics.suppressed('read')
  // The person may have changed their quiet hours since.
  const quiet = quietUntil(newest.member, Date.now())
  if (quiet !== null) throw new Later(quiet)
  const payload = await compose(deps, held)
  if (payload === undefined) return metrics.suppressed('deleted')
  const devices = newest.devices.filter(
    ({ id }) => (data.subscriptionId === undefined || id === data.subscriptionId) && !isTold(id, held),
  )
  if (devices.length === 0) return metrics.suppressed(newest.devices.length === 0 ? 'no device' : 'covered')
  const delivery = {
    ttlSeconds: Math.ceil(times.ttlMs / 1_000),
    urgency: 'normal' as const,
    topic: topicOf(payload.tag),
  }
  const refusals = await allDone(
    devices.map(async (device) => {
      const told = await tell(deps, device, payload, delivery, data.tries ?? 0)
      if (told.kind === 'told') await record(deps, held, device.id)
      if (told.kind === 'later') await tryAgain(deps, data, device.id, told.at)
      return told.kind === 'refused' ? told.reason : null
    }),
  )
  const reasons = refusals.filter((reason) => reason !== null)
  if (reasons.length > 0) throw new Dead(`refused: ${reasons.join(', ')}`)
}

/** Returns the conversations, newest first, with what is unread and not yet shown on any device. */
async function findHeld({ db, lookup }: PushDeps, { userId, since }: DigestData): Promise<Held[]> {
  const rows = await listHeldConversations(db.pool, userId, since)
  const found = await Promise.all(
    rows.map(async ({ conversation_id: conversationId, last_read_seq }): Promise<Held | undefined> => {
      const key = { conversationId, userId }
      const [member, devices] = await Promise.all([lookup.member(key), lookup.devices(key)])
      const told = devices.length === 0 ? 0 : Math.min(...devices.map(({ seq }) => seq ?? 0))
      const news = await lookup.news({ ...key, afterSeq: Math.max(last_read_seq, told) })
      return member === undefined || news === undefined ? undefined : { member, news, devices }
    }),
  )
  return found.filter((one) => one !== undefined)
}

async function compose({ lookup }: PushDeps, held: readonly Held[]): Promise<PushPayload | undefined> {
  const [newest] = held
  if (newest === undefined) return undefined
  const { news, member } = newest
  const message = await lookup.message(news.conversation_id, news.seq)
  if (message === undefined) return undefined
  if (held.length > 1)
    return digestPayload(
      message,
      held.map((one) => one.news.count),
    )
  return newsPayload({ message, count: news.count, conversation: member, showContent: member.show_content })
}

function isTold(deviceId: string, held: readonly Held[]): boolean {
  return held.every(({ devices, news }) =>
    devices.some(({ id, seq }) => id === deviceId && seq !== null && seq >= news.seq),
  )
}

async function record({ lookup }: PushDeps, held: readonly Held[], subscriptionId: string): Promise<void> {
  await Promise.all(
    held.map(({ news }) =>
      lookup.record({
        conversationId: news.conversation_id,
        userId: news.user_id,
        subscriptionId,
        fromSeq: news.after_seq + 1,
        seq: news.seq,
        digest: held.length > 1,
      }),
    ),
  )
}

async function tryAgain({ producer, metrics }: PushDeps, data: DigestData, subscriptionId: string, at: number) {
  const tries = (data.tries ?? 0) + 1
  const id = `digest-${idPart(data.userId)}-${subscriptionId}-${tries}-${Math.floor(at / 1_000)}`
  await producer.add([{ name: 'digest', data: { ...data, subscriptionId, tries }, id, delayMs: at - Date.now() }])
  metrics.queued('digest')
}
