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

/** Written and asked in its text form only; see queries/search-index.ts. */
const tsvector = customType<{ data: string }>({ dataType: () => 'tsvector' })

/** timestamptz with its microseconds: an RFC 3339 string in UTC. A JavaScript Date would cut them off. */
const instant = customType<{ data: string; driverData: string }>({
  dataType: () => 'timestamptz',
  fromDriver: toInstant,
})

const now = sql`now()`
const count = (name: string) => bigint(name, { mode: 'number' }).notNull().default(0)

export const conversationType = pgEnum('conversation_type', CONVERSATION_TYPES)
export const messageType = pgEnum('message_type', MESSAGE_TYPES)
/**
 * An upload under way; one that is complete and that a message may name; one that a message names (the end, while the
 * message lives); one that is being removed, and that no message may name any more.
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
    /** When the name and photo were true (a token's `iat`): an older token never undoes what a newer one said. */
    profileAt: instant('profile_at').notNull().default(now),
    lastSeenAt: instant('last_seen_at'),
    /** Tokens of the person issued before this are refused; null until some are revoked. */
    tokensValidFrom: instant('tokens_valid_from'),
    createdAt: instant('created_at').notNull().default(now),
  },
  (table) => [
    index('users_by_name').on(table.nameKey, table.id),
    // Parts of names up to three characters. Without fastupdate as the index of messages' terms.
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
    /** Of a group, the creator's client's own id for it; null where it gave none. */
    clientConversationId: text('client_conversation_id'),
    /** Seq of the newest message. */
    lastSeq: count('last_seq'),
    /** Counts changes of any kind; every row that changes takes the next one. */
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
    /** Messages up to this seq were there before the person joined: they count neither as unread nor as read by them. */
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
 * No foreign keys: append_fresh() and append_messages() have proved conversation and sender under the conversation's lock, and
 * a check of each by the database would lock those rows once more for every message.
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
     * The client's own id, null where it gave none: the message's id is shown then. Either way its statement can safely be
     * sent once more: messages_client_id knows the message, or messages_id does.
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
    /** For sync: a message that changes after it was stored takes a new rev and gets `updated_at`. */
    index('messages_changed').on(table.conversationId, table.rev).where(sql`${table.updatedAt} is not null`),
  ],
)

/**
 * One row for each committed batch of messages that the worker still has to work on. `origin` is the process that
 * stored it and `batch` its running number there; the process tells in Redis up to which batch it has published.
 */
export const outbox = pgTable('outbox', {
  id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  origin: text('origin').notNull(),
  batch: bigint('batch', { mode: 'number' }).notNull(),
  conversationIds: uuid('conversation_ids').array().notNull(),
  seqs: bigint('seqs', { mode: 'number' }).array().notNull(),
  /** The traces that messages of the batch belong to, by message id. Set by whoever traces; see queries/append.ts. */
  traces: jsonb('traces')
    .$type<Record<string, string>>()
    .default(sql`nullif(current_setting('parley.traces', true), '')::jsonb`),
  createdAt: instant('created_at').notNull().default(now),
})

/** One browser or device that takes Web Push. An endpoint belongs to one person: whoever registered it last. */
export const pushSubscriptions = pgTable(
  'push_subscriptions',
  {
    id: uuid('id').primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id),
    endpoint: text('endpoint').notNull(),
    /** The device's public key (P-256, uncompressed) and secret of RFC 8291, base64url as the browser gave them. */
    p256dh: text('p256dh').notNull(),
    auth: text('auth').notNull(),
    createdAt: instant('created_at').notNull().default(now),
    lastOkAt: instant('last_ok_at'),
    /** The push service asked not to be called for this device before this moment (Retry-After). */
    retryAt: instant('retry_at'),
  },
  (table) => [
    uniqueIndex('push_subscriptions_endpoint').on(table.endpoint),
    index('push_subscriptions_user').on(table.userId),
  ],
)

/** No row: content is shown and there are no quiet hours. */
export const pushPreferences = pgTable('push_preferences', {
  userId: text('user_id')
    .primaryKey()
    .references(() => users.id),
  showContent: boolean('show_content').notNull(),
  /** Local times `HH:MM` in `timeZone` (an IANA name); all three or none. */
  quietStart: text('quiet_start'),
  quietEnd: text('quiet_end'),
  timeZone: text('time_zone'),
})

/**
 * Up to which message each device has been notified of a conversation. While the row stands, the notification is taken
 * to be on the device's screen; it goes when the person has read that far and the device was told to close it.
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
    /** Shown within one summary of several conversations. */
    digest: boolean('digest').notNull().default(false),
    /** 1970: nothing is shown yet, the device is owed what came after `seq`. */
    pushedAt: instant('pushed_at').notNull().default(now),
  },
  (table) => [
    primaryKey({ columns: [table.conversationId, table.userId, table.subscriptionId] }),
    index('push_shown_subscription').on(table.subscriptionId),
  ],
)

/** A person has read, or left, a conversation of which a device shows a notification. Written by a trigger (0004_push). */
export const pushClosings = pgTable('push_closings', {
  id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  conversationId: uuid('conversation_id').notNull(),
  userId: text('user_id').notNull(),
})

/**
 * Files in the object store, under `attachments/<conversation_id>/<id>`. The row is there before the object and goes after
 * it, so that nothing lies in the store that no row knows of.
 */
export const attachments = pgTable(
  'attachments',
  {
    id: uuid('id').primaryKey(),
    conversationId: uuid('conversation_id').notNull(),
    uploaderId: text('uploader_id').notNull(),
    state: attachmentState('state').notNull().default('UPLOADING'),
    fileName: text('file_name').notNull(),
    /** Bytes; of a direct upload that is under way, what was announced. */
    fileSize: bigint('file_size', { mode: 'number' }).notNull().default(0),
    /** Found out from the bytes; null until they are there. */
    fileType: text('file_type'),
    width: integer('width'),
    height: integer('height'),
    preview: text('preview'),
    /** The store's id of a multipart upload that is neither completed nor aborted. */
    uploadId: text('upload_id'),
    messageId: uuid('message_id'),
    createdAt: instant('created_at').notNull().default(now),
  },
  (table) => [
    // What the clean-up reads: the few that no message names.
    index('attachments_unclaimed').on(table.createdAt).where(sql`state <> 'CLAIMED'`),
    // The same rows, said in other words: a plan for one person's must not take the index above, of everybody's, for as good.
    index('attachments_unused_uploader').on(table.uploaderId).where(sql`message_id is null`),
    check('claimed_by_message', sql`(${table.state} = 'CLAIMED') = (${table.messageId} is not null)`),
  ],
)

/**
 * The search index, filled by the worker; can be made anew at any time. A row is a run: neighbouring messages of a
 * conversation, all of one slice, that were indexed together. No two runs overlap. See packages/messaging/src/search for
 * terms, and search_place() for what stands before each.
 */
export const messageSearch = pgTable(
  'message_search',
  {
    conversationId: uuid('conversation_id').notNull(),
    fromSeq: bigint('from_seq', { mode: 'number' }).notNull(),
    toSeq: bigint('to_seq', { mode: 'number' }).notNull(),
    /** Each message's created_at. */
    times: instant('times').array().notNull(),
    /** Each message's terms with their positions; null where it was deleted. */
    vectors: tsvector('vectors').array().notNull(),
    /** The terms of all of them, without positions: what the index has, once for the run. */
    terms: tsvector('terms').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.conversationId, table.fromSeq] }),
    // Without fastupdate no insert ever has to work off a pending list, and no search to read one.
    index('message_search_terms').using('gin', table.terms).with({ fastupdate: false }),
  ],
)
