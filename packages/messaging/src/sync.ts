import {
  type ChangedHeadRow,
  type Database,
  type SyncHeadRow,
  type SyncMemberRow,
  type SyncQuestion,
  type SyncRange,
  seqsBefore,
  syncHeads,
  syncMembers,
  syncMessages,
} from '@parley/db'
import {
  LIMITS,
  type Message,
  type SyncAnswer,
  type SyncedConversation,
  type SyncedMember,
  type SyncRequest,
} from '@parley/protocol'
import { partsOf } from '@parley/runtime/parts'
import { BatchLoader } from './batch-loader.ts'
import type { Epochs, Parting } from './epochs.ts'
import type { AttachmentLinks } from './ports.ts'
import { presentMessage } from './present.ts'

/** Maximum number of users whose requests share the statements of one batch. */
const BATCH = 500
/** Default pause between two batches, in milliseconds. */
const PAUSE_MS = 200
/** Conversations that the requests of a batch may name together; the rest go into another batch. */
const BATCH_CONVERSATIONS = 20_000
/** Maximum number of rows that one statement may have to read and return, to stay well within its timeout. */
const PART_ROWS = 40_000
/** Approximate size at which an answer ends and sets `hasMore`: well under what a gateway buffers. Bytes. */
const ANSWER_BYTES = 256 * 1024
/** Approximate size of a conversation without messages and members. Bytes. */
const HEAD_BYTES = 400
/** Conversations read for one answer: one more than fits, to see whether there are more. */
const HEADS = Math.floor(ANSWER_BYTES / HEAD_BYTES) + 1
/** A rev that no conversation has reached: whatever is known under it is discarded. */
const NO_REV = Number.MAX_SAFE_INTEGER

interface Question extends SyncQuestion {
  /** Where the client's history and the database's parted; undefined if they did not. */
  parting: Parting | undefined
}

type Told = Omit<SyncAnswer, 'epoch'>

/** Changes of a conversation since a rev: the same for everybody who asks from that rev. */
interface Changes {
  messages: Message[]
  tooLong: boolean
  members: SyncedMember[]
  gone: string[]
  /** Approximate size as JSON. */
  bytes: number
}

/**
 * Answers what has changed in a user's conversations while they were away. Concurrent requests share three statements, and
 * identical ones share the rows as well: a gateway that dies and sends thousands of users to the others costs the database
 * little.
 */
export class ConversationSync {
  readonly #db: Database
  readonly #links: AttachmentLinks
  readonly #epochs: Pick<Epochs, 'current'>
  readonly #loader: BatchLoader<Question, Told>

  /** @param pauseMs pause between two batches, so that users who reconnect together share them */
  constructor(
    db: Database,
    links: AttachmentLinks,
    epochs: Pick<Epochs, 'current'>,
    pauseMs: () => number = () => PAUSE_MS,
  ) {
    this.#db = db
    this.#links = links
    this.#epochs = epochs
    this.#loader = new BatchLoader((questions) => this.#answerAll(questions), BATCH, pauseMs)
  }

  /** Returns the next page of what `userId` has missed, without anything they may not see (any longer). */
  async changes(
    userId: string,
    { conversations, after = null, until = null, epoch }: SyncRequest,
  ): Promise<SyncAnswer> {
    // Before the rows are read: rows of a newer history are sent again once its epoch is known. The reverse would never be noticed.
    const history = await this.#epochs.current()
    const parting = epoch == null ? undefined : history.partingFrom(epoch)
    const known = parting === undefined ? conversations : mapValues(conversations, NO_REV)
    const question = { userId, known, after, until, parting }
    const answer = await this.#loader.load(question)
    if (answer === undefined) throw new Error('a sync without an answer')
    return { ...answer, epoch: history.name }
  }

  async #answerAll(questions: Question[]): Promise<Map<Question, Told>> {
    const answers = new Map<Question, Told>()
    for (const part of partsOf(questions, BATCH_CONVERSATIONS, ({ known }) => Object.keys(known).length)) {
      for (const [question, answer] of await this.#answer(part)) answers.set(question, answer)
    }
    return answers
  }

  async #answer(questions: Question[]): Promise<[Question, Told][]> {
    const heads = await syncHeads(this.#db.pool, questions, HEADS)
    const byKey = new Map<string, SyncRange>()
    for (const head of heads) if (head.type !== null) byKey.set(keyOf(head), rangeOf(head))
    const changes = await this.#changes(byKey)
    const kept = await this.#keptSeqs(questions, heads)
    const headsOf = Map.groupBy(heads, (head) => head.no)
    return questions.map((question, index) => [question, pageOf(headsOf.get(index + 1) ?? [], changes, kept)])
  }

  /** Returns up to which seq the messages of a conversation are the same in the client's history. */
  async #keptSeqs(questions: readonly Question[], heads: readonly SyncHeadRow[]): Promise<Map<SyncHeadRow, number>> {
    const kept = new Map<SyncHeadRow, number>()
    const cut = new Map<string, { id: string; lastSeq: number; at: string; heads: SyncHeadRow[] }>()
    for (const head of heads) {
      const at = questions[head.no - 1]?.parting?.at
      if (at == null || head.type === null || head.known_rev === null) continue
      const { id, last_seq: lastSeq } = head
      if (head.last_message_at <= at) kept.set(head, lastSeq)
      else {
        const key = `${id} ${lastSeq} ${at}`
        const known = cut.get(key) ?? { id, lastSeq, at, heads: [] }
        known.heads.push(head)
        cut.set(key, known)
      }
    }
    if (cut.size === 0) return kept
    const seqs = await seqsBefore(this.#db.pool, [...cut.values()])
    for (const [index, { heads }] of [...cut.values()].entries()) {
      for (const head of heads) kept.set(head, seqs[index] ?? 0)
    }
    return kept
  }

  async #changes(byKey: ReadonlyMap<string, SyncRange>): Promise<Map<string, Changes>> {
    const changes = new Map<string, Changes>()
    for (const part of partsOf(byKey, PART_ROWS, ([, range]) => rowsOf(range))) {
      const found = await this.#changesOf(part.map(([, range]) => range))
      for (const [index, [key]] of part.entries()) {
        const change = found[index]
        if (change !== undefined) changes.set(key, change)
      }
    }
    return changes
  }

  async #changesOf(ranges: readonly SyncRange[]): Promise<Changes[]> {
    const messages = await syncMessages(this.#db.pool, ranges, LIMITS.syncMessages + 1)
    const messagesOf = Map.groupBy(messages, (row) => row.range)
    const shown = ranges.map((_, index) => {
      const rows = messagesOf.get(index + 1) ?? []
      return rows.length > LIMITS.syncMessages ? rows.slice(-1) : rows
    })
    const marked = ranges.map((range, index) => ({ ...range, fromSeq: shown[index]?.[0]?.seq ?? range.lastSeq + 1 }))
    const members = await syncMembers(this.#db.pool, marked, LIMITS.listedParticipants)
    const membersOf = Map.groupBy(members, (row) => row.range)
    return ranges.map((_, index) => {
      const people = membersOf.get(index + 1) ?? []
      const marks = people.filter((row) => !row.gone)
      const all = messagesOf.get(index + 1)?.length ?? 0
      const changes = {
        messages: (shown[index] ?? []).map((row) => presentMessage(row, marks, this.#links)),
        tooLong: all > LIMITS.syncMessages,
        members: marks.filter((row) => row.changed).map(presentMember),
        gone: people.filter((row) => row.gone && row.changed).map((row) => row.user_id),
      }
      return { ...changes, bytes: bytesOf(changes) }
    })
  }
}

/** Maximum number of rows of a range, messages and members together, as each took a rev. At least a few. */
function rowsOf({ knownRev, rev }: SyncRange): number {
  return knownRev === null ? LIMITS.listedParticipants : 8 + Math.min(LIMITS.syncMessages, rev - knownRev)
}

function mapValues<T>(record: Readonly<Record<string, unknown>>, value: T): Record<string, T> {
  return Object.fromEntries(Object.keys(record).map((key) => [key, value]))
}

function keyOf(head: ChangedHeadRow): string {
  return `${head.id} ${knownRevOf(head)} ${head.rev}`
}

/** Ignores a rev higher than the current one: the database was restored from a backup since. */
function knownRevOf(head: ChangedHeadRow): number | null {
  return head.known_rev === null || head.known_rev > head.rev ? null : head.known_rev
}

function rangeOf(head: ChangedHeadRow): SyncRange {
  return { conversationId: head.id, knownRev: knownRevOf(head), lastSeq: head.last_seq, rev: head.rev }
}

/** Builds an answer from as many heads, in id order, as fit into it; at least one. */
function pageOf(
  heads: readonly SyncHeadRow[],
  changes: ReadonlyMap<string, Changes>,
  kept: ReadonlyMap<SyncHeadRow, number>,
): Told {
  const answer: Told = { conversations: [], left: [], hasMore: false, after: null }
  let bytes = 0
  let last: string | null = null
  for (const head of heads) {
    if (head.type === null) {
      answer.left.push(head.id)
    } else {
      const change = changes.get(keyOf(head))
      if (change === undefined) throw new Error('a conversation without its changes')
      if (last !== null && bytes + change.bytes > ANSWER_BYTES) {
        return { ...answer, hasMore: true, after: last }
      }
      bytes += Math.min(change.bytes, ANSWER_BYTES)
      answer.conversations.push(presentSynced(head, change, kept.get(head) ?? null))
    }
    last = head.id
  }
  return answer
}

/** @param keptSeq the last message that the client's history has, too; null if not known. Used if the client has to start over */
function presentSynced(head: ChangedHeadRow, changes: Changes, keptSeq: number | null): SyncedConversation {
  const tooLarge = changes.bytes > ANSWER_BYTES
  const isLost = head.known_rev !== null && knownRevOf(head) === null
  return {
    id: head.id,
    type: head.type,
    name: head.name,
    createdBy: head.created_by,
    participantCount: head.participant_count,
    lastSeq: head.last_seq,
    rev: head.rev,
    createdAt: head.created_at,
    updatedAt: head.last_message_at,
    lastReadSeq: head.last_read_seq,
    joinedSeq: head.joined_seq,
    unreadCount: head.last_seq - head.last_read_seq,
    joined: head.known_rev === null,
    tooLong: changes.tooLong || tooLarge || isLost,
    ...(isLost && { lostAfterSeq: keptSeq }),
    messages: tooLarge ? changes.messages.slice(-1) : changes.messages,
    members: changes.members,
    gone: changes.gone,
  }
}

function presentMember(row: SyncMemberRow): SyncedMember {
  return {
    id: row.user_id,
    fullName: row.full_name,
    profilePhoto: row.profile_photo,
    role: row.role,
    lastReadSeq: row.last_read_seq,
    joinedSeq: row.joined_seq,
  }
}

/** Estimates generously: {@link HEAD_BYTES}, 400 for a message without its text and readers, 200 for a member. */
function bytesOf({ messages, members, gone }: Omit<Changes, 'bytes'>): number {
  let bytes = HEAD_BYTES + 200 * members.length + 50 * gone.length
  for (const { content, readBy, attachments } of messages) {
    bytes += 400 + 3 * content.length + 50 * readBy.length
    for (const { url, preview = '' } of attachments) bytes += 500 + url.length + preview.length
  }
  return bytes
}
