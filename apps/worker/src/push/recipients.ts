import { type Database, listPushCandidates, type PushCandidateRow } from '@parley/db'
import type { PresenceReader } from '@parley/presence'
import { idPart, type NewJob, type Producer } from '@parley/queue'
import type { TraceParent } from '@parley/runtime'
import { partsOf } from '@parley/runtime/parts'
import type { DueMessage, OutboxStep } from '../outbox-drain.ts'
import type { PushTimes } from './deps.ts'
import type { PushMetrics } from './metrics.ts'

/** Conversations looked at in one query: their members, a thousand each at most, are in memory together. */
const CONVERSATIONS_AT_ONCE = 50

export interface RecipientsOptions {
  db: Database
  presence: PresenceReader
  producer: Pick<Producer<'push'>, 'add'>
  metrics: PushMetrics
  times: Pick<PushTimes, 'gatherMs'>
}

/** A conversation's messages of one round of the outbox, those of the server itself left out. */
interface Batch {
  conversationId: string
  newest: DueMessage
  first: DueMessage
  /** Of the newest message that is traced. */
  trace: TraceParent | undefined
}

/**
 * Decides who is due a push: members other than the sender who have a device, have not read it, have not muted it and do
 * not look at the application. One job for each of them and conversation, whatever came in this round; its id is made of
 * the newest message and the person, so that a round which is run again adds nothing.
 */
export function pushRecipients(options: RecipientsOptions): OutboxStep {
  return {
    name: 'push',
    async run(messages, traces) {
      for (const some of partsOf(batchesOf(messages, traces), CONVERSATIONS_AT_ONCE)) await queueFor(options, some)
    },
  }
}

function batchesOf(messages: readonly DueMessage[], traces: ReadonlyMap<string, TraceParent>): Batch[] {
  const written = messages.filter(({ type }) => type !== 'SYSTEM')
  const groups = Map.groupBy(written, (message) => message.conversationId)
  return [...groups].flatMap(([conversationId, group]) => {
    const [first, newest] = [group[0], group.at(-1)]
    return first === undefined || newest === undefined
      ? []
      : [{ conversationId, newest, first, trace: traceOf(group, traces) }]
  })
}

async function queueFor(options: RecipientsOptions, batches: readonly Batch[]): Promise<void> {
  const { db, presence, producer, metrics } = options
  const byId = new Map(batches.map((batch) => [batch.conversationId, batch]))
  const candidates = await listPushCandidates(
    db.pool,
    batches.map(({ newest }) => newest),
  )
  const unmuted = candidates.filter(({ muted }) => !muted)
  const inFront = await presence.foreground([...new Set(unmuted.map(({ user_id }) => user_id))])
  const due = unmuted.filter(({ user_id }) => !inFront.has(user_id))
  if (candidates.length > unmuted.length) metrics.suppressed('muted', candidates.length - unmuted.length)
  if (unmuted.length > due.length) metrics.suppressed('foreground', unmuted.length - due.length)
  const jobs = due.flatMap((candidate) => {
    const batch = byId.get(candidate.conversation_id)
    return batch === undefined ? [] : [jobOf(batch, candidate, options.times.gatherMs)]
  })
  await producer.add(jobs)
  metrics.queued('message', jobs.length)
}

function traceOf(group: readonly DueMessage[], traces: ReadonlyMap<string, TraceParent>): TraceParent | undefined {
  return traces.size === 0 ? undefined : traces.get(group.findLast(({ id }) => traces.has(id))?.id ?? '')
}

function jobOf(
  { newest, first, trace }: Batch,
  { user_id: userId }: PushCandidateRow,
  gatherMs: number,
): NewJob<'push'> {
  const sentAt = Date.parse(first.createdAt)
  const { id: messageId, conversationId, seq } = newest
  return {
    name: 'message',
    id: `${messageId}-${idPart(userId)}`,
    data: {
      userId,
      conversationId,
      messageId,
      seq,
      firstSeq: first.seq,
      sentAt,
      ...(trace === undefined ? {} : { trace }),
    },
    // Counted from the storing of the message: the way through the outbox is part of the wait. Postgres' clock may be ahead.
    delayMs: Math.min(gatherMs, sentAt + gatherMs - Date.now()),
  }
}
