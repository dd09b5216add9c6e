import {
  findConversations,
  findMessages,
  listConversations,
  listMessages,
  listParticipants,
  listReadMarks,
  PLANNER_OPTIONS,
} from '@parley/db'
import { LIMITS } from '@parley/protocol'
import pg from 'pg'
import { Pool } from 'undici'
import { percentilesOf } from '../statistics.ts'
import type { ReadPlan, ReadResult } from './message.ts'

const PAGE = 50
const LIST = 20
/** As many connections as an api has. */
const CONNECTIONS = 10

type Reader = ReadPlan['readers'][number]
/** Makes one request. @returns the number of items read */
type Read = (reader: Reader) => Promise<number>

/** Uses undici's dispatch(), which costs half as much as Node's own client (50 instead of 110 µs): all share the two cores. */
function overHttp({ api, what, inFlight }: ReadPlan): Read {
  const pool = new Pool(api, { connections: inFlight, pipelining: 1 })
  let [answers, known] = [0, 0]
  return ({ token, conversationId, lastSeq }) => {
    const path =
      what === 'history'
        ? `/api/messages/conversations/${conversationId}/messages?limit=${PAGE}&beforeSeq=${lastSeq}`
        : `/api/messages/conversations?limit=${LIST}`
    return new Promise((resolve, reject) => {
      const parts: Buffer[] = []
      let status = 0
      pool.dispatch(
        { path, method: 'GET', headers: { authorization: `Bearer ${token}` } },
        {
          onRequestStart() {},
          onResponseStart(_controller, statusCode) {
            status = statusCode
          },
          onResponseData(_controller, part) {
            parts.push(part)
          },
          onResponseEnd() {
            if (status !== 200) return reject(new Error(`${status} ${Buffer.concat(parts)}`))
            // A client's parsing is not measured, so only every hundredth response is parsed.
            if (answers++ % 100 === 0) known = JSON.parse(Buffer.concat(parts).toString()).data.length
            resolve(known)
          },
          onResponseError(_controller, error) {
            reject(error)
          },
        },
      )
    })
  }
}

/** Runs only the api's statements, with the same plans and the same concurrency. */
function overPg({ databaseUrl, what }: ReadPlan): Read {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: CONNECTIONS,
    application_name: 'bench',
    options: PLANNER_OPTIONS,
  })
  if (what === 'history') {
    return async ({ userId, conversationId, lastSeq }) => {
      await findConversations(pool, [{ conversationId, userId }])
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
    // With Number(), since plain pg returns a bigint as a string.
    const newest = rows.map((row) => ({ conversationId: row.id, seq: Number(row.last_seq) }))
    await Promise.all([
      listParticipants(
        pool,
        rows.map((row) => ({ conversationId: row.id, askerId: userId, limit: LIMITS.listedParticipants })),
      ),
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
