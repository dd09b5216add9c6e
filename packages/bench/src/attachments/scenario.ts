import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { signToken } from '@parley/auth'
import { migrate } from '@parley/db'
import { spawnApp } from '@parley/local'
import { s3Environment, startS3 } from '@parley/local/services'
import pg from 'pg'
import type { BenchArguments } from '../main.ts'
import { residentBytes } from '../process-usage.ts'
import { writeReport } from '../report.ts'
import { startServices } from '../services.ts'
import { uuidOf } from '../subjects/subject.ts'
import { MemoryWatch } from './memory.ts'
import { upload } from './upload.ts'

const GOAL_MB = 64
const CONVERSATION = uuidOf(1)
const USER = 'user-1'

interface Round {
  uploads: number
  mebibytes: number
  seconds: number
  beforeMb: number
  peakMb: number
}

/**
 * Measures how much more memory an api pod takes during ten concurrent uploads of 100 MB. Each round starts from the pod's memory
 * just before it. Before the first round, the pod has received one small file, so that all code is loaded.
 */
export async function run({ quick, json }: BenchArguments): Promise<void> {
  await using undo = new AsyncDisposableStack()
  const services = undo.use(await startServices())
  const folder = await mkdtemp(join(tmpdir(), 'parley-bench-s3-'))
  undo.defer(() => rm(folder, { recursive: true, force: true }))
  const s3 = await startS3({ dataDir: folder, log: () => undefined })
  undo.defer(() => s3.stop())
  await migrate(services.postgresUrl)
  await seed(services.postgresUrl)
  const secret = randomBytes(32).toString('base64url')
  const api = await spawnApp({
    app: 'api',
    name: 'api',
    log: (line) => console.log(line),
    env: {
      NODE_ENV: 'development',
      LOG_LEVEL: 'warn',
      DATABASE_URL: services.postgresUrl,
      REDIS_URL: services.redisUrl,
      JWT_SECRET: secret,
      ...s3Environment(s3),
      ATTACHMENT_MAX_BYTES: String(128 * 1024 ** 2),
      // One person sends them all, and may have an eighth of this limit in progress.
      ATTACHMENT_UPLOADS_AT_ONCE: '80',
    },
  })
  undo.defer(() => api.stop())
  const token = signToken({ JWT_SECRET: secret }, { sub: USER, fullName: 'User 1' }, { expiresInSeconds: 3_600 })
  const send = (mebibytes: number) =>
    upload({ apiUrl: `http://127.0.0.1:${api.port}`, conversationId: CONVERSATION, token, mebibytes })
  await send(1)
  const rounds: Round[] = []
  for (const uploads of quick ? [1, 10] : [1, 10, 10, 10]) rounds.push(await measure(api.pid, uploads, 100, send))
  print(rounds)
  await writeReport(json, { goalMb: GOAL_MB, rounds })
  if (rounds.some((round) => round.peakMb - round.beforeMb >= GOAL_MB)) throw new Error(`more than ${GOAL_MB} MB`)
}

async function measure(
  pid: number,
  uploads: number,
  mebibytes: number,
  send: (mebibytes: number) => Promise<number>,
): Promise<Round> {
  const beforeMb = (await residentBytes([pid])) / 1e6
  const watch = new MemoryWatch(pid)
  const started = performance.now()
  const sizes = await Promise.all(Array.from({ length: uploads }, () => send(mebibytes)))
  const seconds = (performance.now() - started) / 1_000
  if (sizes.some((size) => size !== mebibytes * 1024 ** 2)) throw new Error(`wrong stored sizes: ${sizes.join(', ')}`)
  return { uploads, mebibytes, seconds, beforeMb, peakMb: watch.stop() }
}

async function seed(url: string): Promise<void> {
  const sql = new pg.Client({ connectionString: url })
  await sql.connect()
  await sql.query('insert into users (id, full_name, name_key) values ($1, $1, $1)', [USER])
  await sql.query(
    `insert into conversations (id, type, created_by, participant_count, rev) values ($1, 'GROUP', $2, 1, 1)`,
    [CONVERSATION, USER],
  )
  await sql.query('insert into participants (conversation_id, user_id, rev) values ($1, $2, 1)', [CONVERSATION, USER])
  await sql.end()
}

function print(rounds: readonly Round[]): void {
  console.log('\nconcurrent uploads | size each | time, s | MB/s | memory before, MB | peak, MB | increase, MB')
  for (const { uploads, mebibytes, seconds, beforeMb, peakMb } of rounds) {
    const rate = (uploads * mebibytes * 1.048576) / seconds
    const cells = [
      uploads,
      `${mebibytes} MiB`,
      seconds.toFixed(1),
      rate.toFixed(0),
      beforeMb.toFixed(0),
      peakMb.toFixed(0),
    ]
    console.log([...cells, (peakMb - beforeMb).toFixed(1)].join(' | '))
  }
}
