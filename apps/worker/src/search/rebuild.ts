import { parseArgs } from 'node:util'
import { type MessageKey, openDatabase, reasonOf } from '@parley/db'
import { SearchRebuild, type SearchRebuildProgress } from '@parley/messaging'
import { databaseSettings, defineSettings, loadSettingsOrExit } from '@parley/runtime'

/*
 * `npm run search:rebuild`: rebuilds the search index from the messages without downtime. Needed once after an upgrade that
 * changes how terms are made; docs/OPERATIONS.md, "Upgrading without downtime", says which.
 */

const USAGE = `npm run search:rebuild -- [--after CONVERSATION:SEQ] [--batch MESSAGES]

Rebuilds the search index of the database at DATABASE_URL from its messages, without downtime.

  --after CONVERSATION:SEQ  continue after this message, as printed by a run that was stopped
  --batch MESSAGES          messages per batch, 1 to 10000 (default 1000)
  --help                    show this help`
const REPORT_MS = 1_000

const { after, batchSize } = argumentsOrExit()
const { DATABASE_URL } = loadSettingsOrExit(defineSettings({ ...databaseSettings }))
const db = openDatabase({ url: DATABASE_URL, max: 1, applicationName: 'parley-search-rebuild', queryTimeoutMs: 60_000 })
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())

const started = performance.now()
let reported = 0
let last: SearchRebuildProgress | undefined
try {
  const end = await new SearchRebuild(db).run({ after, batchSize, onProgress, signal: stop.signal })
  const outcome = stop.signal.aborted ? `stopped; continue with: ${continuation(end)}` : 'done'
  console.log(`${line(end)}; ${outcome}`)
  process.exitCode = stop.signal.aborted ? 130 : 0
} catch (error) {
  if (last !== undefined) console.error(line(last))
  console.error(`search index: failed: ${reasonOf(error)}`)
  if (last !== undefined) console.error(`continue with: ${continuation(last)}`)
  process.exitCode = 1
} finally {
  await db.close()
}

function onProgress(progress: SearchRebuildProgress): void {
  last = progress
  const now = performance.now()
  if (now - reported < REPORT_MS) return
  reported = now
  console.log(line(progress))
}

function line({ done, total, removed }: SearchRebuildProgress): string {
  const percent = total === 0 ? 100 : Math.floor((100 * done) / total)
  const rate = Math.round(done / ((performance.now() - started) / 1_000))
  return `search index: ${done} of ${total} messages (${percent} %), ${rate} per second, ${removed} stale rows removed`
}

/** Returns the command that continues a run. */
function continuation({ upTo }: SearchRebuildProgress): string {
  return upTo === null
    ? 'npm run search:rebuild'
    : `npm run search:rebuild -- --after ${upTo.conversationId}:${upTo.seq}`
}

function argumentsOrExit(): { after: MessageKey | undefined; batchSize: number } {
  try {
    const { values } = parseArgs({
      options: {
        after: { type: 'string' },
        batch: { type: 'string', default: '1000' },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      console.log(USAGE)
      process.exit()
    }
    const batchSize = Number(values.batch)
    if (!Number.isInteger(batchSize) || batchSize < 1 || batchSize > 10_000)
      throw new Error('--batch must be a whole number from 1 to 10000')
    const [, conversationId, seq] = /^([0-9a-f-]{36}):(\d{1,15})$/i.exec(values.after ?? '') ?? []
    if (values.after !== undefined && conversationId === undefined)
      throw new Error('--after must have the form CONVERSATION:SEQ')
    return { after: conversationId === undefined ? undefined : { conversationId, seq: Number(seq) }, batchSize }
  } catch (error) {
    console.error(`${reasonOf(error)}\n\n${USAGE}`)
    process.exit(64)
  }
}
