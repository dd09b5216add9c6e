import { type Database, listPushCandidates, type PushCandidateRow } from '@parley/db'
import type { PresenceReader } from '@parley/presence'
import { idPart, type NewJob, type Producer } from '@parley/queue'
import type { TraceParent } from '@parley/runtime'
import { partsOf } from '@parley/runtime/parts'
import type { DueMessage, OutboxStep } from '../outbox-drain.ts'
import type { PushTimes } from './deps.ts'
import type { PushMetrics } from './metrics.ts'

/** Conversations per query: all of their members, up to a thousand each, are in memory together. */
const CONVERSATIONS_AT_ONCE = 50

export interface RecipientsOptions {
  db: Database
  presence: PresenceReader
  producer: Pick<Producer<'push'>, 'add'>
  metrics: PushMetrics
  times: Pick<PushTimes, 'gatherMs'>
}

/** A conversation's messages in one outbox round, without SYSTEM messages. */
interface Batch {
  conversationId: string
  newest: DueMessage
  first: DueMessage
  /** Trace of the newest traced message. */
  trace: TraceParent | undefined
}

/**
 * Queues push jobs for members other than the sender who have a device, have not read the message, have not muted the
 * conversation and do not have the application in the foreground. There is one job per person and conversation in a round; its
 * id consists of the newest message and the person, so that a repeated round adds nothing.
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
    // Measured from when the message was stored, so the outbox's own delay counts. Never longer, as Postgres' clock may be ahead.
    delayMs: Math.min(gatherMs, sentAt + gatherMs - Date.now()),
  }
}
