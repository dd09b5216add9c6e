import type { ParticipantRole, SystemEvent } from '@parley/protocol'
import type { Seen, View } from './client.ts'
import type { Stage } from './stage.ts'

export interface Stored extends Seen {
  system: SystemEvent | null
  /** When it was stored, in milliseconds since 1970. */
  at: number
}

/** All messages of each conversation, in the order of seq. */
export type Truth = ReadonlyMap<string, readonly Stored[]>

/** Reads all messages from Postgres, by conversation, in the order of seq. */
export async function readTruth({ postgres }: Stage): Promise<Truth> {
  const { rows } = await postgres.sql.query<Row>(
    `select conversation_id, id, seq::int, sender_id, content, system, extract(epoch from created_at) * 1000 as at
    from messages order by conversation_id, seq`,
  )
  const stored = rows.map(({ conversation_id, id, seq, sender_id: senderId, content, system, at }) => ({
    conversation_id,
    message: { id, seq, senderId, content, system, at: Number(at) },
  }))
  const byConversation = Map.groupBy(stored, (row) => row.conversation_id)
  return new Map([...byConversation].map(([id, found]) => [id, found.map(({ message }) => message)]))
}

interface Row {
  conversation_id: string
  id: string
  seq: number
  sender_id: string
  content: string
  system: SystemEvent | null
  at: string
}

/** Conversations with their current members. */
export type Standings = ReadonlyMap<string, Standing>

export interface Standing extends Pick<View, 'type' | 'name' | 'lastSeq'> {
  members: ReadonlyMap<string, Member>
}

interface Member {
  role: ParticipantRole
  lastReadSeq: number
  /** The seq of the last message before they joined. */
  joinedSeq: number
}

/** Reads all conversations from Postgres with their members, by id. */
export async function readStandings({ postgres }: Stage): Promise<Standings> {
  const { rows } = await postgres.sql.query<
    { id: string } & Omit<Standing, 'members'> & { members: [string, Member][] }
  >(`
    select c.id, c.type, c.name, c.last_seq::int as "lastSeq", coalesce(json_agg(json_build_array(p.user_id, json_build_object(
      'role', p.role, 'lastReadSeq', p.last_read_seq, 'joinedSeq', p.joined_seq))) filter (where p.user_id is not null), '[]')
      as members
    from conversations c left join participants p on p.conversation_id = c.id and p.left_at is null
    group by c.id`)
  return new Map(rows.map(({ id, members, ...rest }) => [id, { ...rest, members: new Map(members) }]))
}

/** Returns what a person should see. */
export function viewsOf(userId: string, standings: Standings): Map<string, View> {
  const views = new Map<string, View>()
  for (const [id, { type, name, lastSeq, members }] of standings) {
    const own = members.get(userId)
    if (own === undefined) continue
    const { lastReadSeq } = own
    views.set(id, { type, name, lastSeq, lastReadSeq, unreadCount: lastSeq - lastReadSeq, members })
  }
  return views
}

/** A time during which a person was not a member of a conversation. */
export interface Absence {
  /** The seq of the message about their removal; 0 if they were not a member from the beginning. */
  fromSeq: number
  /** When the message about their addition was stored, in milliseconds since 1970. */
  until: number
}

/** Returns a person's absences from a conversation. @param isMember whether they are a member now */
export function absencesOf(userId: string, rows: readonly Stored[], isMember: boolean): Absence[] {
  const absences: Absence[] = []
  let since: number | null = null
  let isInside: boolean | null = null
  for (const { seq, system, at } of rows) {
    if (system === null || !('userIds' in system) || !system.userIds.includes(userId)) continue
    const isAddition = system.event === 'participantsAdded'
    if (isAddition) absences.push({ fromSeq: since ?? 0, until: at })
    else since = seq
    isInside = isAddition
  }
  if (!(isInside ?? isMember)) absences.push({ fromSeq: since ?? 0, until: Number.POSITIVE_INFINITY })
  return absences
}
