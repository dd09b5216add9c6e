import { Agent, get } from 'node:http'
import { findMessages, listConversations, listMessages, listReadMarks } from '@parley/db'
import { LIMITS } from '@parley/protocol'
import pg from 'pg'
import { percentilesOf } from '../statistics.ts'
import type { ReadPlan, ReadResult } from './message.ts'

const PAGE = 50
const LIST = 20
/** As many connections as an api has. */
const CONNECTIONS = 10

type Reader = ReadPlan['readers'][number]
/** Answers one request; returns how many items came. */
type Read = (reader: Reader) => Promise<number>

function overHttp({ api, what, inFlight }: ReadPlan): Read {
  const agent = new Agent({ keepAlive: true, maxSockets: inFlight })
  let [answers, known] = [0, 0]
  return ({ token, conversationId, lastSeq }) => {
    const path =
      what === 'history'
        ? `/api/messages/conversations/${conversationId}/messages?limit=${PAGE}&beforeSeq=${lastSeq}`
        : `/api/messages/conversations?limit=${LIST}`
    return new Promise((resolve, reject) => {
      const request = get(`${api}${path}`, { agent, headers: { authorization: `Bearer ${token}` } }, (response) => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('end', () => {
          if (response.statusCode !== 200) return reject(new Error(`${response.statusCode} ${Buffer.concat(parts)}`))
          // What a client makes of an answer is not what is measured: every hundredth is looked into.
          if (answers++ % 100 === 0) known = JSON.parse(Buffer.concat(parts).toString()).data.length
          resolve(known)
        })
      })
      request.on('error', reject)
    })
  }
}

/*
 * The api's statements for those who ask together take lists, which Postgres plans anew each time: for one person alone
 * that is a fifth slower. Bare pg has the two as one would write them for one.
 */
const MEMBER = {
  name: 'member',
  text: `select c.id, c.type, c.name, c.created_by, c.last_seq, c.rev, c.participant_count, c.last_message_at,
      c.created_at, p.last_read_seq
    from conversations c join participants p on p.conversation_id = c.id
    where c.id = $1 and p.user_id = $2 and p.left_at is null`,
}
const PEOPLE = {
  name: 'people',
  text: `select p.*, u.id, u.full_name, u.profile_photo, u.last_seen_at
    from unnest($1::uuid[]) with ordinality as c (id, ord)
    cross join lateral (
      select conversation_id, user_id, role, last_read_seq, joined_at from participants
      where conversation_id = c.id and left_at is null order by user_id <> $2, joined_at, user_id limit $3
    ) p
    join users u on u.id = p.user_id
    order by c.ord, p.user_id = $2, p.joined_at, p.user_id`,
}

/** The api's statements, one after another or side by side as there, and nothing else. */
function overPg({ databaseUrl, what }: ReadPlan): Read {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: CONNECTIONS, application_name: 'bench' })
  if (what === 'history') {
    return async ({ userId, conversationId, lastSeq }) => {
      await pool.query({ ...MEMBER, values: [conversationId, userId] })
      const [from, to] = [Math.max(1, lastSeq - PAGE), lastSeq - 1]
      const [rows] = await Promise.all([
        listMessages(pool, conversationId, from, to),
        listReadMarks(pool, [{ conversationId, fromSeq: from }]),
      ])
      return rows.length
    }
  }
  return async ({ userId }) => {
    const { rows } = await listConversations(pool, userId, null, LIST, 0)
    // Through Number, as plain pg gives a bigint as a string.
    const newest = rows.map((row) => ({ conversationId: row.id, seq: Number(row.last_seq) }))
    await Promise.all([
      pool.query({ ...PEOPLE, values: [rows.map((row) => row.id), userId, LIMITS.listedParticipants] }),
      findMessages(pool, newest),
      listReadMarks(
        pool,
        newest.map(({ conversationId, seq }) => ({ conversationId, fromSeq: seq })),
      ),
    ])
    return rows.length
  }
}

async function measure(plan: ReadPlan): Promise<ReadResult> {
  const read = plan.kind === 'http' ? overHttp(plan) : overPg(plan)
  const times: number[] = []
  let [next, items, measuring, going] = [0, 0, false, true]
  const worker = async () => {
    while (going) {
      const reader = plan.readers[next++ % plan.readers.length]
      if (reader === undefined) throw new Error('nobody reads')
      const began = performance.now()
      const count = await read(reader)
      if (!measuring) continue
      times.push(performance.now() - began)
      items += count
    }
  }
  const workers = Promise.all(Array.from({ length: plan.inFlight }, worker))
  await Promise.race([workers, new Promise((resolve) => setTimeout(resolve, plan.warmMs))])
  const cpu = process.cpuUsage()
  const began = performance.now()
  measuring = true
  await Promise.race([workers, new Promise((resolve) => setTimeout(resolve, plan.measureMs))])
  measuring = false
  going = false
  const seconds = (performance.now() - began) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  await workers
  const at = percentilesOf(times)
  return {
    perSecond: times.length / seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    cpu: (user + system) / 1e6 / seconds,
    itemsEach: items / times.length,
  }
}

process.once('disconnect', () => process.exit())
process.once('message', (plan: ReadPlan) => {
  measure(plan).then(
    (result) => process.send?.(result, () => process.exit()),
    (error) => {
      console.error(error)
      process.exit(1)
    },
  )
})
