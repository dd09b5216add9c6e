import {
  CONVERSATION_TYPES,
  MESSAGE_TYPES,
  PARTICIPANT_ROLES,
  type StoredAttachment,
  type SystemEvent,
} from '@parley/protocol'
import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  customType,
  index,
  integer,
  jsonb,
  pgEnum,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { toInstant } from './instant.ts'

const oid = customType<{ data: number }>({ dataType: () => 'oid' })

/** Only written and queried in its text form; see queries/search-index.ts. */
const tsvector = customType<{ data: string }>({ dataType: () => 'tsvector' })

/** A timestamptz as an RFC 3339 string in UTC with microseconds, which a JavaScript Date would lose. */
const instant = customType<{ data: string; driverData: string }>({
  dataType: () => 'timestamptz',
  fromDriver: toInstant,
})

const now = sql`now()`
const count = (name: string) => bigint(name, { mode: 'number' }).notNull().default(0)

export const conversationType = pgEnum('conversation_type', CONVERSATION_TYPES)
export const messageType = pgEnum('message_type', MESSAGE_TYPES)
/**
 * UPLOADING: under way. READY: complete, and a message may claim it. CLAIMED: part of a message; final while the message
 * exists. DELETING: being removed; no message may claim it any more.
 *
 *     UPLOADING -> READY -> CLAIMED
 *         |          |
 *         +----------+--> DELETING -> no row
 */
export const attachmentState = pgEnum('attachment_state', ['UPLOADING', 'READY', 'CLAIMED', 'DELETING'])
export const participantRole = pgEnum('participant_role', PARTICIPANT_ROLES)

export const users = pgTable(
  'users',
  {
    id: text('id').primaryKey(),
    fullName: text('full_name').notNull(),
    profilePhoto: text('profile_photo'),
    /** full_name folded for searching; see foldText in packages/messaging. */
    nameKey: text('name_key').notNull(),
    /** When the name and photo were true (the token's `iat`): an older token never overwrites what a newer one said. */
    profileAt: instant('profile_at').notNull().default(now),
    lastSeenAt: instant('last_seen_at'),
    /** Tokens of this person issued before this are refused; null if none were ever revoked. */
    tokensValidFrom: instant('tokens_valid_from'),
    createdAt: instant('created_at').notNull().default(now),
  },
  (table) => [
    index('users_by_name').on(table.nameKey, table.id),
    // Substrings of names, up to three characters long. No fastupdate, for the reason given at message_search_terms.
    index('users_name_parts').using('gin', sql`(name_parts(${table.nameKey}) collate "C")`).with({ fastupdate: false }),
  ],
)

export const conversations = pgTable(
  'conversations',
  {
    id: uuid('id').primaryKey(),
    type: conversationType('type').notNull(),
    name: text('name'),
    nameKey: text('name_key'),
    /** The two ids of a DIRECT conversation, sorted, as JSON: one conversation for each pair of people. */
    directKey: text('direct_key'),
    createdBy: text('created_by').notNull(),
    /** The client-generated id of a group, unique for its creator; null if the client gave none. */
    clientConversationId: text('client_conversation_id'),
    /** Seq of the newest message. */
    lastSeq: count('last_seq'),
    /** Counts changes of any kind; every changed row takes the next value. */
    rev: count('rev'),
    participantCount: integer('participant_count').notNull(),
    lastMessageAt: instant('last_message_at').notNull().default(now),
    createdAt: instant('created_at').notNull().default(now),
  },
  (table) => [
    uniqueIndex('conversations_direct_key').on(table.directKey),
    uniqueIndex('conversations_client_id')
      .on(table.createdBy, table.clientConversationId)
      .where(sql`${table.clientConversationId} is not null`),
    check('direct_has_key', sql`(${table.type} = 'DIRECT') = (${table.directKey} is not null)`),
  ],
)

export const participants = pgTable(
  'participants',
  {
    conversationId: uuid('conversation_id')
      .notNull()
      .references(() => conversations.id),
    userId: text('user_id')
      .notNull()
      .references(() => users.id),
    role: participantRole('role').notNull().default('MEMBER'),
    /** Messages up to this seq precede the person's joining: they count neither as unread nor as read by them. */
    joinedSeq: count('joined_seq'),
    lastReadSeq: count('last_read_seq'),
    lastReadAt: instant('last_read_at'),
    rev: count('rev'),
    joinedAt: instant('joined_at').notNull().default(now),
    leftAt: instant('left_at'),
    mutedUntil: instant('muted_until'),
  },
  (table) => [
    primaryKey({ columns: [table.conversationId, table.userId] }),
    index('participants_user').on(table.userId, table.conversationId),
  ],
)

/**
 * No foreign keys: append_fresh() and append_messages() have verified the conversation and the sender under the conversation's
 * lock, and foreign-key checks would lock those rows again for every message.
 */
export const messages = pgTable(
  'messages',
  {
    conversationId: uuid('conversation_id').notNull(),
    seq: bigint('seq', { mode: 'number' }).notNull(),
    id: uuid('id').notNull(),
    rev: bigint('rev', { mode: 'number' }).notNull(),
    senderId: text('sender_id').notNull(),
    /**
     * The client-generated id; null if the client gave none, and the message's id is shown instead. The insert is safe to
     * repeat in both cases: the unique index messages_client_id, or else messages_id, catches the duplicate.
     */
    clientMessageId: text('client_message_id'),
    content: text('content').notNull(),
    type: messageType('type').notNull(),
    attachments: jsonb('attachments').$type<StoredAttachment[]>(),
    system: jsonb('system').$type<SystemEvent>(),
    /** Strictly rising with seq within a conversation, to the microsecond. */
    createdAt: instant('created_at').notNull(),
    updatedAt: instant('updated_at'),
    deletedAt: instant('deleted_at'),
  },
  (table) => [
    primaryKey({ columns: [table.conversationId, table.seq] }),
    uniqueIndex('messages_id').on(table.conversationId, table.id),
    uniqueIndex('messages_client_id')
      .on(table.conversationId, table.senderId, table.clientMessageId)
      .where(sql`${table.clientMessageId} is not null`),
    /** For sync: a message changed after it was stored gets a new rev and an `updated_at`. */
    index('messages_changed').on(table.conversationId, table.rev).where(sql`${table.updatedAt} is not null`),
  ],
)

/**
 * One row for each committed batch of messages that the worker has not processed. `origin` is the process that stored it
 * and `batch` that process's sequence number; the process reports in Redis up to which batch it has published.
 */
export const outbox = pgTable('outbox', {
  id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  origin: text('origin').notNull(),
  batch: bigint('batch', { mode: 'number' }).notNull(),
  conversationIds: uuid('conversation_ids').array().notNull(),
  seqs: bigint('seqs', { mode: 'number' }).array().notNull(),
  /** Trace contexts by message id, set by processes with tracing; see queries/append.ts. */
  traces: jsonb('traces')
    .$type<Record<string, string>>()
    .default(sql`nullif(current_setting('parley.traces', true), '')::jsonb`),
  createdAt: instant('created_at').notNull().default(now),
})

/** A browser or device that receives Web Push. An endpoint belongs to one person: the last to register it. */
export const pushSubscriptions = pgTable(
  'push_subscriptions',
  {
    id: uuid('id').primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id),
    endpoint: text('endpoint').notNull(),
    /** The device's public key (P-256, uncompressed) and auth secret (RFC 8291), in base64url as the browser gave them. */
    p256dh: text('p256dh').notNull(),
    auth: text('auth').notNull(),
    createdAt: instant('created_at').notNull().default(now),
    lastOkAt: instant('last_ok_at'),
    /** The push service asked for no requests for this device until then (Retry-After). */
    retryAt: instant('retry_at'),
  },
  (table) => [
    uniqueIndex('push_subscriptions_endpoint').on(table.endpoint),
    index('push_subscriptions_user').on(table.userId),
  ],
)

/** Without a row: content is shown and there are no quiet hours. */
export const pushPreferences = pgTable('push_preferences', {
  userId: text('user_id')
    .primaryKey()
    .references(() => users.id),
  showContent: boolean('show_content').notNull(),
  /** Local times `HH:MM` in `timeZone` (an IANA name); either all three are set or none. */
  quietStart: text('quiet_start'),
  quietEnd: text('quiet_end'),
  timeZone: text('time_zone'),
})

/**
 * How far each device has been notified of a conversation. While the row exists, the notification is assumed to be on the
 * device's screen. The row is deleted once the person has read that far and the device was told to close the notification.
 */
export const pushShown = pgTable(
  'push_shown',
  {
    conversationId: uuid('conversation_id').notNull(),
    userId: text('user_id').notNull(),
    subscriptionId: uuid('subscription_id')
      .notNull()
      .references(() => pushSubscriptions.id, { onDelete: 'cascade' }),
    /** The first message that the notification counts. */
    fromSeq: bigint('from_seq', { mode: 'number' }).notNull(),
    seq: bigint('seq', { mode: 'number' }).notNull(),
    /** Whether it was shown as part of a summary of several conversations. */
    digest: boolean('digest').notNull().default(false),
    /** 1970 means that nothing is shown yet and that the device is owed a notification of messages after `seq`. */
    pushedAt: instant('pushed_at').notNull().default(now),
  },
  (table) => [
    primaryKey({ columns: [table.conversationId, table.userId, table.subscriptionId] }),
    index('push_shown_subscription').on(table.subscriptionId),
  ],
)

/** Reads and departures in conversations for which a device shows a notification. Written by a trigger (0004_push). */
export const pushClosings = pgTable('push_closings', {
  id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  conversationId: uuid('conversation_id').notNull(),
  userId: text('user_id').notNull(),
})

/**
 * Files in the object store, under `attachments/<conversation_id>/<id>`. The row is written before the object and deleted
 * after it, so that every object in the store has a row.
 */
export const attachments = pgTable(
  'attachments',
  {
    id: uuid('id').primaryKey(),
    conversationId: uuid('conversation_id').notNull(),
    uploaderId: text('uploader_id').notNull(),
    state: attachmentState('state').notNull().default('UPLOADING'),
    fileName: text('file_name').notNull(),
    /** Size in bytes; for a direct upload under way, the announced size. */
    fileSize: bigint('file_size', { mode: 'number' }).notNull().default(0),
    /** Media type, detected from the content; null until the content has arrived. */
    fileType: text('file_type'),
    width: integer('width'),
    height: integer('height'),
    preview: text('preview'),
    /** The store's id of a multipart upload that has been neither completed nor aborted. */
    uploadId: text('upload_id'),
    messageId: uuid('message_id'),
    createdAt: instant('created_at').notNull().default(now),
  },
  (table) => [
    // For the clean-up, which reads the few that no message has claimed.
    index('attachments_unclaimed').on(table.createdAt).where(sql`state <> 'CLAIMED'`),
    // The same rows, with a different predicate, so that a plan for one person's uploads cannot use the index above instead.
    index('attachments_unused_uploader').on(table.uploaderId).where(sql`message_id is null`),
    check('claimed_by_message', sql`(${table.state} = 'CLAIMED') = (${table.messageId} is not null)`),
  ],
)

/**
 * The search index, filled by the worker; it can be rebuilt at any time. A row is a run: adjacent messages of one slice of a
 * conversation that were indexed together. Runs do not overlap. For terms see packages/messaging/src/search; for the prefix
 * of each term see search_place().
 */
export const messageSearch = pgTable(
  'message_search',
  {
    conversationId: uuid('conversation_id').notNull(),
    fromSeq: bigint('from_seq', { mode: 'number' }).notNull(),
    toSeq: bigint('to_seq', { mode: 'number' }).notNull(),
    /** Each message's created_at. */
    times: instant('times').array().notNull(),
    /** Each message's terms with their positions; null for a deleted message. */
    vectors: tsvector('vectors').array().notNull(),
    /** The terms of all the messages, without positions: what the index holds, once for the run. */
    terms: tsvector('terms').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.conversationId, table.fromSeq] }),
    // Without fastupdate, no insert has to flush a pending list and no search has to scan one.
    index('message_search_terms').using('gin', table.terms).with({ fastupdate: false }),
  ],
)

/**
 * Sections of the database's history, the newest last: a row for each start of its server, each promotion and each copy of the
 * database. Written by known_epochs() (0019_epochs), which explains how they are distinguished; null if that could not be queried.
 */
export const epochs = pgTable('epochs', {
  no: bigint('no', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  /** Random. */
  id: text('id').notNull(),
  /** Earlier commits may be missing. */
  lossy: boolean('lossy').notNull(),
  /** Everything committed by then belongs to the earlier history. */
  beganAt: instant('began_at').notNull(),
  systemId: text('system_id'),
  timeline: text('timeline'),
  databaseOid: oid('database_oid').notNull(),
  messagesOid: oid('messages_oid').notNull(),
  startedAt: instant('started_at'),
})
