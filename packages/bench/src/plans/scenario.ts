import {
  FIRST_ID,
  findConversations,
  findMessages,
  findPushMembers,
  LAST_ID,
  listContacts,
  listConversations,
  listMemberships,
  listMessages,
  listParticipants,
  listReadMarks,
  listUnread,
  markRead,
  PLANNER_OPTIONS,
  type Queryable,
  syncHeads,
} from '@parley/db'
import { LIMITS } from '@parley/protocol'
import pg from 'pg'
import { fillConversations } from '../history/data.ts'
import type { BenchArguments } from '../main.ts'
import { microsOnProcessor } from '../process-usage.ts'
import { round, writeReport } from '../report.ts'
import { startServices } from '../services.ts'
import { spreadOf } from '../statistics.ts'
import { parley } from '../subjects/parley.ts'
import { roomsOf, type Shape, uuidOf } from '../subjects/subject.ts'

const MESSAGES = 60
/** Calls before the measurement: by then Postgres has decided whether to use a generic plan. */
const WARM = 8

type Member = { conversationId: string; userId: string }
/** Runs a statement for these people or conversations. */
type Ask = (db: Queryable, members: readonly Member[], roomsOfUser: (userId: string) => string[]) => Promise<unknown>

/** The statements that pods run most, and their batch sizes. */
const STATEMENTS: Record<string, { sizes: readonly number[]; ask: Ask }> = {
  find_conversations: { sizes: [1, 20, 200], ask: (db, members) => findConversations(db, members) },
  list_messages: { sizes: [1], ask: (db, [one]) => listMessages(db, one?.conversationId ?? '', 5, 54) },
  list_read_marks: { sizes: [1, 20, 200], ask: (db, members) => listReadMarks(db, members.map(fromSeq(10))) },
  find_messages: { sizes: [1, 20, 200], ask: (db, members) => findMessages(db, members.map(withSeq(20))) },
  list_participants: {
    sizes: [1, 20, 200],
    ask: (db, members) =>
      listParticipants(
        db,
        members.map(({ conversationId, userId }) => ({
          conversationId,
          askerId: userId,
          limit: LIMITS.listedParticipants,
        })),
      ),
  },
  list_conversations: { sizes: [1], ask: (db, [one]) => listConversations(db, one?.userId ?? '', null, 20, 0) },
  search_conversations: { sizes: [1], ask: (db, [one]) => listConversations(db, one?.userId ?? '', 'user', 20, 0) },
  list_unread: { sizes: [1], ask: (db, [one]) => listUnread(db, one?.userId ?? '') },
  list_memberships: { sizes: [1, 20, 200], ask: (db, members) => listMemberships(db, members.map(userOf)) },
  list_contacts: { sizes: [1, 20], ask: (db, members) => listContacts(db, members.map(userOf), 100) },
  sync_heads: {
    sizes: [1, 20, 200],
    ask: (db, members, rooms) =>
      syncHeads(
        db,
        members.map(({ userId }) => ({
          userId,
          known: Object.fromEntries(rooms(userId).map((id) => [id, MESSAGES + 1])),
          after: FIRST_ID,
          until: LAST_ID,
        })),
        100,
      ),
  },
  mark_read: {
    sizes: [1, 20, 200],
    ask: (db, members) =>
      markRead(
        db,
        members.map(({ conversationId, userId }) => ({ conversationId, userId, messageId: FIRST_ID })),
      ),
  },
  find_push_members: { sizes: [1, 20, 200], ask: (db, members) => findPushMembers(db, members) },
}

/**
 * Compares what statements cost Postgres with the plans of pods (PLANNER_OPTIONS) and with Postgres's own: the processor time of
 * the connection's server process, alternately. The client's time is not included.
 */
export async function run({ quick, json, rounds }: BenchArguments): Promise<void> {
  const shape = { users: 500, roomSize: 5, roomsEach: 20 }
  await using services = await startServices()
  const running = await parley.start(services, shape)
  const table: Record<string, unknown>[] = []
  try {
    await fillConversations(running.sql, shape, MESSAGES)
    const members = membersOf(shape)
    const roomsOfUser = (userId: string) => roomsOf(Number(userId.split('-')[1]), shape).map(uuidOf)
    const kept = await connect(running.databaseUrl, PLANNER_OPTIONS)
    const own = await connect(running.databaseUrl, undefined)
    for (const [name, { sizes, ask }] of Object.entries(STATEMENTS)) {
      for (const size of sizes) {
        let next = 0
        const call = (db: Queryable) => {
          next = (next + 7_919) % (members.length - size)
          return ask(db, members.slice(next, next + size), roomsOfUser)
        }
        const calls = Math.max(10, Math.floor((quick ? 200 : 800) / size))
        for (const { pool } of [kept, own]) for (let n = 0; n < WARM; n++) await call(pool)
        const times = { kept: [] as number[], own: [] as number[] }
        for (let n = 0; n < (rounds ?? 5); n++) {
          times.own.push(await microsEach(own, calls, call))
          times.kept.push(await microsEach(kept, calls, call))
        }
        const [keptUs, ownUs] = [spreadOf(times.kept).median, spreadOf(times.own).median]
        table.push({
          statement: name,
          'batch size': size,
          'own plan, us': Math.round(ownUs),
          'kept plan, us': Math.round(keptUs),
          ratio: round(keptUs / ownUs),
        })
      }
    }
    await Promise.all([kept, own].map(({ pool }) => pool.end()))
  } finally {
    await running.stop()
  }
  console.table(table)
  await writeReport(json, { statements: table })
}

function userOf({ userId }: Member): string {
  return userId
}

function fromSeq(seq: number) {
  return ({ conversationId }: Member) => ({ conversationId, fromSeq: seq })
}

function withSeq(seq: number) {
  return ({ conversationId }: Member) => ({ conversationId, seq })
}

/** Lists members so that neighbours are in different conversations. */
function membersOf(shape: Shape): Member[] {
  const rooms = Array.from({ length: shape.roomsEach ?? 1 }, (_, n) => n)
  const users = Array.from({ length: shape.users }, (_, user) => user)
  return rooms.flatMap((n) =>
    users.map((user) => ({ conversationId: uuidOf(roomsOf(user, shape)[n] ?? 0), userId: `user-${user}` })),
  )
}

interface Connection {
  pool: pg.Pool
  pid: number
}

async function connect(databaseUrl: string, options: string | undefined): Promise<Connection> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 1, application_name: 'bench', options })
  const { rows } = await pool.query<{ pid: number }>('select pg_backend_pid() as pid')
  return { pool, pid: rows[0]?.pid ?? 0 }
}

/** Returns the processor time of the connection's server process per call, in microseconds. */
async function microsEach(
  { pool, pid }: Connection,
  calls: number,
  call: (db: Queryable) => Promise<unknown>,
): Promise<number> {
  const before = await microsOnProcessor(pid)
  for (let n = 0; n < calls; n++) await call(pool)
  return ((await microsOnProcessor(pid)) - before) / calls
}
