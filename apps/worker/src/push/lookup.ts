import {
  countNews,
  type Database,
  findMessages,
  findPushMembers,
  listPushDevices,
  type MemberKey,
  type MessageRow,
  type NewsKey,
  type NewsRow,
  type PushDeviceRow,
  type PushMemberRow,
  recordShown,
  type ShownRecord,
} from '@parley/db'
import { BatchLoader } from '@parley/messaging'
import type { PresenceReader } from '@parley/presence'
import { retried } from '@parley/runtime/retried'
import type { NewsMessage } from './notification.ts'

/** Most look-ups that share one query. */
const BATCH = 500
const UUID_LENGTH = 36
/** How long a query waits for more look-ups while many jobs run, in milliseconds. A lone job does not wait. */
const lingerMs = () => 8
/** How often a record is tried, one second apart, before its job gives up: a push that is not recorded is sent again. */
const RECORD_TRIES = 10

/** The jobs' queries and records, batched: jobs that run at the same time share one statement. */
export class PushLookup {
  readonly #members: BatchLoader<string, PushMemberRow>
  readonly #devices: BatchLoader<string, PushDeviceRow[]>
  readonly #news: BatchLoader<string, NewsRow>
  readonly #messages: BatchLoader<string, NewsMessage>
  readonly #foreground: BatchLoader<string, true>
  readonly #records: BatchLoader<ShownRecord, true>

  constructor({ pool }: Database, presence: PresenceReader) {
    this.#members = new BatchLoader(
      async (keys) => {
        const rows = await findPushMembers(pool, keys.map(memberOf))
        return new Map(rows.map((row) => [row.conversation_id + row.user_id, row]))
      },
      BATCH,
      lingerMs,
    )
    this.#devices = new BatchLoader(
      async (keys) => {
        const rows = await listPushDevices(pool, keys.map(memberOf))
        return Map.groupBy(rows, (row) => row.conversation_id + row.user_id)
      },
      BATCH,
      lingerMs,
    )
    this.#news = new BatchLoader(
      async (keys) => {
        const rows = await countNews(pool, keys.map(newsKeyOf))
        return new Map(rows.map((row) => [`${row.after_seq} ${row.conversation_id}${row.user_id}`, row]))
      },
      BATCH,
      lingerMs,
    )
    this.#messages = new BatchLoader(
      async (keys) => {
        const rows = await findMessages(pool, keys.map(messageKeyOf))
        return new Map(rows.map((row) => [row.conversation_id + row.seq, newsMessage(row)]))
      },
      BATCH,
      lingerMs,
    )
    this.#foreground = new BatchLoader(
      async (userIds) => {
        const inFront = await presence.foreground(userIds)
        return new Map([...inFront].map((userId) => [userId, true]))
      },
      BATCH,
      lingerMs,
    )
    this.#records = new BatchLoader(
      async (records) => {
        await recordShown(pool, records)
        return new Map(records.map((record) => [record, true]))
      },
      BATCH,
      lingerMs,
    )
  }

  /** Returns the member's row; undefined for somebody who was never a member. */
  member({ conversationId, userId }: MemberKey): Promise<PushMemberRow | undefined> {
    return this.#members.load(conversationId + userId)
  }

  async devices({ conversationId, userId }: MemberKey): Promise<PushDeviceRow[]> {
    return (await this.#devices.load(conversationId + userId)) ?? []
  }

  /** Returns the count and the newest of the other members' messages after a seq; undefined if there are none. */
  news({ conversationId, userId, afterSeq }: NewsKey): Promise<NewsRow | undefined> {
    return this.#news.load(`${afterSeq} ${conversationId}${userId}`)
  }

  message(conversationId: string, seq: number): Promise<NewsMessage | undefined> {
    return this.#messages.load(conversationId + seq)
  }

  /** Returns whether the person has the application in the foreground somewhere. */
  async foreground(userId: string): Promise<boolean> {
    return (await this.#foreground.load(userId)) === true
  }

  /** Records what a device shows. Retries for some seconds while the database is away. */
  async record(record: ShownRecord): Promise<void> {
    await retried(() => this.#records.load(record), RECORD_TRIES)
  }
}

function newsMessage(row: MessageRow): NewsMessage {
  return {
    id: row.id,
    conversationId: row.conversation_id,
    seq: row.seq,
    senderName: row.sender_name,
    senderPhoto: row.sender_photo,
    content: row.content,
    type: row.type,
    fileNames: (row.attachments ?? []).map(({ fileName }) => fileName),
  }
}

function memberOf(key: string): MemberKey {
  return { conversationId: key.slice(0, UUID_LENGTH), userId: key.slice(UUID_LENGTH) }
}

function newsKeyOf(key: string): NewsKey {
  const space = key.indexOf(' ')
  return { afterSeq: Number(key.slice(0, space)), ...memberOf(key.slice(space + 1)) }
}

function messageKeyOf(key: string): { conversationId: string; seq: number } {
  return { conversationId: key.slice(0, UUID_LENGTH), seq: Number(key.slice(UUID_LENGTH)) }
}
